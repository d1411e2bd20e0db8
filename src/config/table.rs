//! Pure. Every option there is: where it stands in the YAML, what variables and flags set it, its default, and what it means.

/// One option.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Its place in the YAML; `*` stands for a name that the operator chooses.
    pub path: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Variables that set it besides `GREFFIER_…`; the first one that is set counts.
    pub env: &'static [&'static str],
    /// The flag that sets it.
    pub flag: Option<&'static str>,
    /// As one would write it; empty when there is none.
    pub default: &'static str,
    /// One line.
    pub doc: &'static str,
}

/// What an option holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    Text,
    /// A text that is never shown; its variables have a `…_FILE` form.
    Secret,
    /// A whole number.
    Number,
    /// A number, also a broken one.
    Real,
    /// Yes or no.
    Flag,
    /// The opposite of the variable that sets it.
    NotFlag,
    /// Texts; in a variable separated by commas.
    List,
    /// A length of time such as `1h30m`.
    Length,
    /// A length of time, in a variable in milliseconds.
    Millis,
    /// Names and values; in a variable JSON, or Python's way of writing the same.
    Tree,
}

impl Kind {
    /// How the reference names it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Secret => "secret",
            Self::Number | Self::Real => "number",
            Self::Flag | Self::NotFlag => "true or false",
            Self::List => "list",
            Self::Length | Self::Millis => "duration",
            Self::Tree => "names and values",
        }
    }
}

impl Entry {
    const fn new(path: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Self {
        Self { path, kind, env: &[], flag: None, default, doc }
    }

    const fn env(self, env: &'static [&'static str]) -> Self {
        Self { env, ..self }
    }

    const fn flag(self, flag: &'static str) -> Self {
        Self { flag: Some(flag), ..self }
    }

    /// `GREFFIER_` and its path; none for an option with a name of the operator's in its path.
    pub fn own_variable(&self) -> Option<String> {
        (!self.path.contains('*')).then(|| format!("GREFFIER_{}", self.path.replace('.', "_").to_uppercase()))
    }

    /// Is this the name of a variable or flag that sets it?
    pub fn is_set_by(&self, name: &str) -> bool {
        let variable = name.strip_suffix("_FILE").filter(|_| self.kind == Kind::Secret).unwrap_or(name);
        self.flag == Some(name)
            || self.env.contains(&variable)
            || self.own_variable().is_some_and(|own| own == variable)
    }

    /// Is this the path of this option?
    pub fn is_at(&self, path: &str) -> bool {
        let (mut own, mut other) = (self.path.split('.'), path.split('.'));
        loop {
            match (own.next(), other.next()) {
                (None, None) => return true,
                (Some(a), Some(b)) if a == "*" || a == b => {}
                (None, Some(_)) => return self.kind == Kind::Tree || self.kind == Kind::Secret,
                (Some(_), Some(_) | None) => return false,
            }
        }
    }
}

/// The option of this path. A mode's own storage has the options of `storage`.
pub fn entry(path: &str) -> Option<&'static Entry> {
    let of_mode = path.strip_prefix("worker_classes.").and_then(|rest| rest.split_once('.')).map(|(_, rest)| rest);
    let path = of_mode.filter(|rest| rest.starts_with("storage.")).unwrap_or(path);
    TABLE.iter().find(|entry| entry.path == path).or_else(|| TABLE.iter().find(|entry| entry.is_at(path)))
}

use Kind::{Flag, Length, List, Millis, NotFlag, Number, Real, Secret, Text, Tree};

/// Every option, in the order of the reference.
pub const TABLE: &[Entry] = &[
    // LiveKit.
    Entry::new("livekit.url", Text, "", "LiveKit server, such as ws://127.0.0.1:7880")
        .env(&["LIVEKIT_URL", "LIVEKIT_WS_URL", "LIVEKIT_API_URL"])
        .flag("--url"),
    Entry::new("livekit.api_key", Text, "", "its API key").env(&["LIVEKIT_API_KEY"]).flag("--api-key"),
    Entry::new("livekit.api_secret", Secret, "", "that key's secret").env(&["LIVEKIT_API_SECRET"]).flag("--api-secret"),
    Entry::new("livekit.ca_file", Text, "", "PEM of a certificate authority to trust besides the system's")
        .flag("--ca-file"),
    Entry::new("livekit.insecure", NotFlag, "false", "accept any certificate (tests only)")
        .env(&["LIVEKIT_VERIFY_SSL"])
        .flag("--insecure"),
    // The sidecar itself.
    Entry::new("listen", Text, "127.0.0.1:7990", "address and port of the HTTP door").flag("--listen"),
    Entry::new("api_token", Secret, "", "what clients show; needed unless it listens on this machine alone")
        .flag("--api-token"),
    Entry::new("api_tokens", Tree, "", "more of them, with scopes: a list of name, sha256 and scopes"),
    Entry::new("allow_unauthenticated_loopback", Flag, "", "programs on this machine need no token"),
    Entry::new("media_url", Text, "/media/", "path below which a proxy serves files that media-auth is asked about"),
    Entry::new("data_dir", Text, "greffier-data", "store, spool and local files").flag("--data-dir"),
    Entry::new("public_url", Text, "", "where people reach the pages of this sidecar"),
    Entry::new("health_port", Number, "0", "a port that answers every path with 200 and the load; 0 is off"),
    Entry::new("prometheus_port", Number, "0", "a port for Prometheus; 0 is off"),
    Entry::new("logging.level", Text, "info", "debug, info, warn or error; GREFFIER_LOG says it more finely"),
    Entry::new("logging.json", Flag, "false", "one JSON object for each line of the log"),
    // Recordings.
    Entry::new("recording.enabled", Flag, "true", "whether recordings may be started").env(&["RECORDING_ENABLE"]),
    Entry::new("recording.output_folder", Text, "recordings", "what keys in the storage begin with")
        .env(&["RECORDING_OUTPUT_FOLDER"]),
    Entry::new("recording.expiration_days", Number, "", "days until a recording is removed; never without")
        .env(&["RECORDING_EXPIRATION_DAYS"]),
    Entry::new("recording.download_base_url", Text, "", "what links to recordings begin with, instead of public_url")
        .env(&["RECORDING_DOWNLOAD_BASE_URL", "SCREEN_RECORDING_BASE_URL"]),
    Entry::new("recording.event_parser", Text, "minio", "who sends storage events: minio or s3")
        .env(&["RECORDING_EVENT_PARSER_CLASS"]),
    Entry::new("recording.storage_event_enabled", Flag, "false", "take storage events")
        .env(&["RECORDING_STORAGE_EVENT_ENABLE"]),
    Entry::new("recording.storage_event_auth", Flag, "true", "storage events must show the token")
        .env(&["RECORDING_ENABLE_STORAGE_EVENT_AUTH"]),
    Entry::new("recording.storage_event_token", Secret, "", "the token of storage events")
        .env(&["RECORDING_STORAGE_EVENT_TOKEN"]),
    Entry::new("recording.encoding.enabled", Flag, "false", "whether the values below replace the defaults")
        .env(&["RECORDING_ENCODING_ENABLED"]),
    Entry::new("recording.encoding.width", Number, "1280", "pixels, even").env(&["RECORDING_ENCODING_WIDTH"]),
    Entry::new("recording.encoding.height", Number, "720", "pixels, even").env(&["RECORDING_ENCODING_HEIGHT"]),
    Entry::new("recording.encoding.framerate", Number, "30", "frames per second")
        .env(&["RECORDING_ENCODING_FRAMERATE"]),
    Entry::new("recording.encoding.video_bitrate_kbps", Number, "3000", "kbit/s")
        .env(&["RECORDING_ENCODING_VIDEO_BITRATE_KBPS"]),
    Entry::new("recording.encoding.audio_bitrate_kbps", Number, "128", "kbit/s")
        .env(&["RECORDING_ENCODING_AUDIO_BITRATE_KBPS"]),
    Entry::new("recording.encoding.key_frame_interval_s", Real, "4", "the most seconds between key frames")
        .env(&["RECORDING_ENCODING_KEY_FRAME_INTERVAL_S"]),
    Entry::new("worker_classes", Tree, "", "mode → class; the variable replaces every mode, YAML adds to them")
        .env(&["RECORDING_WORKER_CLASSES"]),
    Entry::new("worker_classes.*.class", Text, "", "video_composite or audio_composite"),
    Entry::new("worker_classes.*.layout", Text, "", "speaker, grid, single-speaker, each also -light or -dark"),
    Entry::new("worker_classes.*.preset", Text, "", "LiveKit's preset, such as H264_1080P_30"),
    Entry::new("worker_classes.*.outputs", List, "", "[mp4] or [ogg], as the class makes it"),
    Entry::new(
        "worker_classes.*.storage",
        Tree,
        "",
        "where its files go, when not to `storage`: the same options as there",
    ),
    // When it is enough.
    Entry::new("limits.max_duration", Millis, "", "stop and save after this long").env(&["RECORDING_MAX_DURATION"]),
    Entry::new("limits.max_size", Number, "", "stop and save at about this many bytes"),
    Entry::new("limits.empty_room_timeout", Length, "", "stop when nobody was there for this long"),
    Entry::new("limits.warning", Length, "60s", "tell the room this long before max_duration"),
    Entry::new("limits.disk_warning", Number, "15", "percent: the log warns while less of the data_dir's disk is free"),
    Entry::new(
        "limits.disk_reserve",
        Number,
        "",
        "bytes of data_dir's disk that stay free: recordings end before; 256 MiB without, less on a small disk",
    ),
    // Where files go.
    Entry::new("storage.prefix", Text, "", "put before every key"),
    Entry::new("storage.ca_file", Text, "", "PEM of a certificate authority to trust besides the system's"),
    Entry::new(
        "storage.timeout",
        Number,
        "",
        "seconds in which no byte of a request moves, after which it is tried again; 60 without",
    ),
    Entry::new("storage.local.path", Text, "", "a folder for finished files, when it is not data_dir"),
    Entry::new("storage.s3.endpoint", Text, "", "such as http://minio:9000").env(&["AWS_S3_ENDPOINT_URL"]),
    Entry::new("storage.s3.access_key", Text, "", "access key").env(&["AWS_S3_ACCESS_KEY_ID"]),
    Entry::new("storage.s3.secret", Secret, "", "secret key").env(&["AWS_S3_SECRET_ACCESS_KEY"]),
    Entry::new("storage.s3.session_token", Secret, "", "of temporary credentials"),
    Entry::new("storage.s3.region", Text, "", "may be empty").env(&["AWS_S3_REGION_NAME"]),
    Entry::new("storage.s3.bucket", Text, "", "bucket").env(&["AWS_STORAGE_BUCKET_NAME"]),
    Entry::new("storage.s3.force_path_style", Flag, "", "the bucket in the path, not in the host name"),
    Entry::new("storage.s3.part_size", Number, "", "MiB of a part at least, 5 to 5120; by expected length without"),
    Entry::new("storage.s3.checksum", Text, "", "auto (default: when the store demands them), always or never"),
    Entry::new("storage.s3.content_disposition", Text, "", "the header that objects are served with"),
    Entry::new("storage.s3.metadata", Tree, "", "kept with the objects"),
    Entry::new("storage.s3.proxy_config.url", Text, "", "an HTTP proxy"),
    Entry::new("storage.s3.proxy_config.username", Text, "", "user at the proxy"),
    Entry::new("storage.s3.proxy_config.password", Secret, "", "that user's password"),
    Entry::new("storage.s3.assume_role_arn", Text, "", "not supported"),
    Entry::new("storage.azure.account_name", Text, "", "Azure account"),
    Entry::new("storage.azure.account_key", Secret, "", "its key"),
    Entry::new("storage.azure.container_name", Text, "", "container"),
    Entry::new("storage.gcp.credentials_json", Secret, "", "a service account's JSON"),
    Entry::new("storage.gcp.bucket", Text, "", "bucket"),
    Entry::new("storage.gcp.proxy_config.url", Text, "", "an HTTP proxy"),
    Entry::new("storage.gcp.proxy_config.username", Text, "", "user at the proxy"),
    Entry::new("storage.gcp.proxy_config.password", Secret, "", "that user's password"),
    Entry::new("storage.alioss", Secret, "", "not supported; Alibaba's OSS speaks S3 too"),
    // Who is told.
    Entry::new("mail.transport", Text, "folder", "smtp, folder or none"),
    Entry::new("mail.folder", Text, "", "where letters lie as .eml; `mail` in data_dir without"),
    Entry::new("mail.from", Text, "", "sender, such as Meet <meet@example.org>"),
    Entry::new("mail.brand", Text, "", "who writes, such as the name of the service"),
    Entry::new("mail.support", Text, "", "address where people get help"),
    Entry::new("mail.smtp.host", Text, "", "mail server"),
    Entry::new("mail.smtp.port", Number, "", "25, 587 or 465 by encryption"),
    Entry::new("mail.smtp.encryption", Text, "", "starttls (default), tls or none"),
    Entry::new("mail.smtp.username", Text, "", "user"),
    Entry::new("mail.smtp.password", Secret, "", "that user's password"),
    Entry::new("mail.smtp.ca_file", Text, "", "PEM of a certificate authority to trust besides the system's"),
    Entry::new(
        "mail.smtp.ehlo_name",
        Text,
        "",
        "who we say we are; the domain of mail.from, or of public_url, without",
    ),
    Entry::new("mail.smtp.timeout", Number, "", "seconds for a whole letter"),
    Entry::new("webhooks.urls", List, "", "told of every change, in LiveKit's shape"),
    Entry::new("webhooks.api_key", Text, "", "signs them; livekit.api_key without"),
    Entry::new("webhooks.api_secret", Secret, "", "that key's secret"),
    Entry::new("room_notices", Flag, "true", "tell participants by room metadata and data messages"),
    Entry::new("storage_hook.url", Text, "", "a backend's storage hook, told of finished files as MinIO would"),
    Entry::new("storage_hook.token", Secret, "", "sent there as bearer"),
    Entry::new("storage_hook.bucket", Text, "", "the bucket the backend expects"),
    Entry::new("transcription.endpoint", Text, "", "where transcripts are ordered").env(&["SUMMARY_SERVICE_ENDPOINT"]),
    Entry::new("transcription.api_token", Secret, "", "sent there as bearer").env(&["SUMMARY_SERVICE_API_TOKEN"]),
    Entry::new("transcription.webhook_token", Secret, "", "what the service shows when it is done")
        .env(&["SUMMARY_SERVICE_WEBHOOK_API_TOKEN"]),
    Entry::new("transcription.language", Text, "", "of those who name none"),
    Entry::new("transcription.form_link", Text, "", "where people say how content they are")
        .env(&["TRANSCRIPTION_SATISFACTION_FORM_BASE_URL"]),
    Entry::new("transcription.auto_create_summary", Flag, "", "also a summary"),
    // LiveKit's Redis.
    Entry::new("redis.address", Text, "", "host:port of the Redis that LiveKit uses"),
    Entry::new("redis.username", Text, "", "user"),
    Entry::new("redis.password", Secret, "", "password"),
    Entry::new("redis.db", Number, "", "database"),
    Entry::new("redis.use_tls", Flag, "", "speak TLS"),
    Entry::new("redis.tls.enabled", Flag, "", "speak TLS"),
    Entry::new("redis.tls.insecure", Flag, "", "not supported"),
    Entry::new("redis.tls.server_name", Text, "", "not supported"),
    Entry::new("redis.tls.ca_cert_file", Text, "", "PEM"),
    Entry::new("redis.tls.client_cert_file", Text, "", "PEM"),
    Entry::new("redis.tls.client_key_file", Text, "", "PEM"),
    Entry::new("redis.sentinel_master_name", Text, "", "master's name"),
    Entry::new("redis.sentinel_addresses", List, "", "the Sentinels"),
    Entry::new("redis.sentinel_username", Text, "", "user at the Sentinels"),
    Entry::new("redis.sentinel_password", Secret, "", "password at the Sentinels"),
    Entry::new("redis.cluster_addresses", List, "", "not supported"),
    Entry::new("cluster_id", Text, "", "LiveKit Egress's: which server's requests are taken"),
    Entry::new(
        "disallow_local_storage",
        Flag,
        "false",
        "LiveKit Egress's: refuse requests that would end on this disk",
    ),
    Entry::new(
        "unsupported_requests",
        Text,
        "low_bid",
        "web egress and others that are not done here: low_bid leaves them to LiveKit's own egress and refuses them when \
         there is none, decline says nothing, reject refuses them at once",
    ),
    Entry::new(
        "requests.allowed_hosts",
        List,
        "",
        "hosts of the network within that webhooks and storages of requests over HTTP may name, such as minio, \
         *.svc.cluster.local or *; those of this configuration may be anyway, and what comes by Redis is free",
    ),
];
