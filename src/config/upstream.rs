//! Pure. The keys that others write into their files: LiveKit Egress's and La Suite Meet's, and what they are here; and keys
//! that were ours.

/// What a key of others is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Here {
    /// The option of this path, or everything below it.
    Is(&'static str),
    /// A length of time in milliseconds.
    Millis(&'static str),
    /// Nothing: it is about Chrome, Pulse, or parts that we have not.
    Nothing,
    /// Nothing any more; what to do about it.
    Gone(&'static str),
}

use Here::{Gone, Is, Millis, Nothing};

impl Here {
    /// The option of this path, or everything below it.
    pub const fn option(self) -> Option<&'static str> {
        match self {
            Self::Is(path) | Self::Millis(path) => Some(path),
            Self::Nothing | Self::Gone(_) => None,
        }
    }
}

/// Every foreign key.
pub const FOREIGN: &[(&str, Here)] = &[
    ("api_key", Is("livekit.api_key")),
    ("api_secret", Is("livekit.api_secret")),
    ("ws_url", Is("livekit.url")),
    ("log_level", Is("logging.level")),
    ("s3", Is("storage.s3")),
    ("azure", Is("storage.azure")),
    ("gcp", Is("storage.gcp")),
    ("alioss", Is("storage.alioss")),
    ("session_limits.file_output_max_duration", Is("limits.max_duration")),
    ("session_limits.file_output_max_size", Is("limits.max_size")),
    ("recording.enable", Is("recording.enabled")),
    ("recording.max_duration", Millis("limits.max_duration")),
    ("recording.worker_classes", Is("worker_classes")),
    ("recording.event_parser_class", Is("recording.event_parser")),
    ("recording.storage_event_enable", Is("recording.storage_event_enabled")),
    ("recording.enable_storage_event_auth", Is("recording.storage_event_auth")),
    // There it loosens Chrome's rules; it must not loosen ours.
    ("insecure", Nothing),
    ("audio_tempo_controller", Nothing),
    ("backup", Nothing),
    ("backup_storage", Nothing),
    ("chrome_flags", Nothing),
    ("cpu_cost", Nothing),
    ("debug", Nothing),
    ("debug_handler_port", Nothing),
    ("enable_chrome_sandbox", Nothing),
    ("enable_one_shot_sender_report_sync", Nothing),
    ("enable_room_composite_sdk_source", Nothing),
    ("enable_sync_engine", Nothing),
    ("io_create_timeout", Nothing),
    ("io_selection_timeout", Nothing),
    ("io_update_timeout", Nothing),
    ("io_workers", Nothing),
    ("latency", Nothing),
    ("latency_overrides", Nothing),
    ("logging.component_levels", Nothing),
    ("logging.item_sample_initial", Nothing),
    ("logging.item_sample_interval", Nothing),
    ("logging.item_sample_seconds", Nothing),
    ("logging.sample", Nothing),
    ("logging.sample_initial", Nothing),
    ("logging.sample_interval", Nothing),
    ("max_upload_queue", Nothing),
    ("node_id", Nothing),
    ("pulse_sink_reap_grace_sec", Nothing),
    ("redis.dial_timeout", Nothing),
    ("redis.max_redirects", Nothing),
    ("redis.pool_size", Nothing),
    ("redis.pool_timeout", Nothing),
    ("redis.read_timeout", Nothing),
    ("redis.write_timeout", Nothing),
    ("rtpdriftadjustmentwindowpercent", Nothing),
    ("rtpmaxallowedtsdiff", Nothing),
    ("rtpmaxdriftadjustment", Nothing),
    ("s3_assume_role_arn", Nothing),
    ("s3_assume_role_external_id", Nothing),
    ("s3_assume_role_key", Nothing),
    ("s3_assume_role_secret", Nothing),
    ("session_limits.image_output_max_duration", Nothing),
    ("session_limits.segment_output_max_duration", Nothing),
    ("session_limits.stream_output_max_duration", Nothing),
    ("storage.s3.assume_role_external_id", Nothing),
    ("storage.s3.aws_log_level", Nothing),
    ("storage.s3.max_retries", Nothing),
    ("storage.s3.max_retry_delay", Nothing),
    ("storage.s3.min_retry_delay", Nothing),
    ("storage.s3.tagging", Nothing),
    ("storage.generate_presigned_url", Nothing),
    ("template_address", Nothing),
    ("template_base", Nothing),
    ("template_port", Nothing),
    ("test_overrides", Nothing),
    ("video_encoder_threads", Nothing),
    (
        "transcription.webhook_token",
        Gone(
            "no option; the transcription service shows that token to La Suite Meet, so set it there and at the service",
        ),
    ),
];

/// Meet's names of its classes, and ours. A class may be anywhere in Python's world: its last name counts.
pub const CLASSES: [(&str, &str); 4] = [
    ("VideoCompositeEgressService", "video_composite"),
    ("AudioCompositeEgressService", "audio_composite"),
    ("MinioParser", "minio"),
    ("S3Parser", "s3"),
];

/// Our name of this class; the name itself when it is not one of Meet's.
pub fn class(name: &str) -> &str {
    let last = name.rsplit('.').next().unwrap_or(name);
    CLASSES.iter().find(|(python, _)| *python == last).map_or(name, |(_, ours)| ours)
}

/// What to do about this variable, if it set an option that is gone.
pub fn gone(variable: &str) -> Option<&'static str> {
    let name = variable.strip_prefix("GREFFIER_")?;
    let name = name.strip_suffix("_FILE").unwrap_or(name);
    FOREIGN.iter().find_map(|(key, here)| match here {
        Gone(fix) if key.replace('.', "_").eq_ignore_ascii_case(name) => Some(*fix),
        Gone(_) | Is(_) | Millis(_) | Nothing => None,
    })
}

/// True when LiveKit Egress knows this key and it means nothing here. A mode's own storage has the keys of `storage`.
pub fn means_nothing(path: &str) -> bool {
    let of_mode = path.strip_prefix("worker_classes.").and_then(|rest| rest.split_once('.')).map(|(_, rest)| rest);
    let path = of_mode.unwrap_or(path);
    FOREIGN.iter().any(|(key, here)| *key == path && *here == Nothing)
}
