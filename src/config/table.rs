//! Pure. Every option: its place in the YAML file, the variables and flags that set it, its default, and what it does.

/// One option.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Its place in the YAML; `*` stands for a name that the operator chooses.
    pub path: &'static str,
    /// What it holds.
    pub kind: ValueKind,
    /// Variables that set it besides `GREFFIER_…`; the first one that is set counts.
    pub env: &'static [&'static str],
    /// The flag that sets it.
    pub flag: Option<&'static str>,
    /// As one would write it; empty when there is none, or when the module that reads the option has it.
    pub default: &'static str,
    /// What applies while the option is not set and `default` is empty: a value, which a test compares with the one that the
    /// module uses, or words.
    pub unset: &'static str,
    /// One line.
    pub doc: &'static str,
}

/// What an option holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    /// A string.
    Text,
    /// A string that is never shown; its variables have a `…_FILE` form.
    Secret,
    /// A whole number.
    Number,
    /// A decimal number.
    Real,
    /// A boolean.
    Flag,
    /// A boolean: the opposite of the variable that sets it.
    NotFlag,
    /// Strings; in a variable, separated by commas.
    List,
    /// A duration such as `1h30m`.
    Length,
    /// A duration; in a variable, in milliseconds.
    Millis,
    /// An object; in a variable, JSON or Python's notation of the same.
    Tree,
    /// Objects; in a variable, written like one.
    Objects,
}

impl ValueKind {
    /// How the reference names it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Secret => "secret",
            Self::Number | Self::Real => "number",
            Self::Flag | Self::NotFlag => "boolean",
            Self::List => "list",
            Self::Length | Self::Millis => "duration",
            Self::Tree => "object",
            Self::Objects => "list of objects",
        }
    }
}

impl Entry {
    const fn new(path: &'static str, kind: ValueKind, default: &'static str, doc: &'static str) -> Self {
        Self { path, kind, env: &[], flag: None, default, unset: "", doc }
    }

    const fn env(self, env: &'static [&'static str]) -> Self {
        Self { env, ..self }
    }

    const fn flag(self, flag: &'static str) -> Self {
        Self { flag: Some(flag), ..self }
    }

    const fn unset(self, unset: &'static str) -> Self {
        Self { unset, ..self }
    }

    /// `GREFFIER_` and its path; none for an option with a name of the operator's in its path.
    pub fn own_variable(&self) -> Option<String> {
        (!self.path.contains('*')).then(|| format!("GREFFIER_{}", self.path.replace('.', "_").to_uppercase()))
    }

    /// Is this the name of a variable or flag that sets it?
    pub fn is_set_by(&self, name: &str) -> bool {
        let variable = name.strip_suffix("_FILE").filter(|_| self.kind == ValueKind::Secret).unwrap_or(name);
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
                (None, Some(_)) => return self.kind == ValueKind::Tree || self.kind == ValueKind::Secret,
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

use ValueKind::{Flag, Length, List, Millis, NotFlag, Number, Objects, Real, Secret, Text, Tree};

/// Every option, in the order of the reference.
pub const TABLE: &[Entry] = &[
    // LiveKit.
    Entry::new("livekit.url", Text, "", "LiveKit server, for example ws://127.0.0.1:7880").env(&["LIVEKIT_URL", "LIVEKIT_WS_URL", "LIVEKIT_API_URL"]).flag("--url").unset("required"),
    Entry::new("livekit.api_key", Text, "", "API key").env(&["LIVEKIT_API_KEY"]).flag("--api-key").unset("required"),
    Entry::new("livekit.api_secret", Secret, "", "secret of that key").env(&["LIVEKIT_API_SECRET"]).flag("--api-secret").unset("required"),
    Entry::new("livekit.ca_file", Text, "", "PEM file with a certificate authority to trust in addition to the system's").flag("--ca-file").unset("none"),
    Entry::new("livekit.insecure", NotFlag, "false", "accept any certificate (tests only)").env(&["LIVEKIT_VERIFY_SSL"]).flag("--insecure"),
    // The sidecar itself.
    Entry::new("listen", Text, "127.0.0.1:7990", "address and port of the HTTP API and the pages").flag("--listen"),
    Entry::new("api_token", Secret, "", "bearer token of the REST API; required unless it listens on loopback only").flag("--api-token").unset("none"),
    Entry::new("api_tokens", Objects, "", "further tokens with scopes: a list of name, sha256 and scopes").unset("none"),
    Entry::new("allow_unauthenticated_loopback", Flag, "", "programs on this machine need no token").unset("true while there is no token"),
    Entry::new("media_url", Text, "/media/", "path below which a reverse proxy serves files after asking media-auth"),
    Entry::new("data_dir", Text, "greffier-data", "store, spool and local recordings").flag("--data-dir"),
    Entry::new("public_url", Text, "", "address at which people reach the pages").unset("none"),
    Entry::new("trusted_proxies", List, "", "addresses and networks of reverse proxies whose X-Forwarded-For names the client, for counting failed attempts and for the log").unset("none"),
    Entry::new("health_port", Number, "0", "port that answers every path with 200 and the load; 0 turns it off"),
    Entry::new("prometheus_port", Number, "0", "port for Prometheus; 0 turns it off"),
    Entry::new("logging.level", Text, "info", "debug, info, warn or error; GREFFIER_LOG is finer"),
    Entry::new("logging.json", Flag, "false", "one JSON object per log line"),
    // Recordings.
    Entry::new("recording.enabled", Flag, "true", "whether recordings can be started").env(&["RECORDING_ENABLE"]),
    Entry::new("recording.output_folder", Text, "recordings", "first part of every object key").env(&["RECORDING_OUTPUT_FOLDER"]),
    Entry::new("recording.expiration_days", Number, "", "days after which a recording is removed").env(&["RECORDING_EXPIRATION_DAYS"]).unset("never"),
    Entry::new("recording.download_base_url", Text, "", "first part of links to recordings").env(&["RECORDING_DOWNLOAD_BASE_URL", "SCREEN_RECORDING_BASE_URL"]).unset("public_url"),
    Entry::new("recording.event_parser", Text, "minio", "who sends storage events: minio or s3").env(&["RECORDING_EVENT_PARSER_CLASS"]),
    Entry::new("recording.storage_event_enabled", Flag, "false", "accept storage events").env(&["RECORDING_STORAGE_EVENT_ENABLE"]),
    Entry::new("recording.storage_event_auth", Flag, "true", "storage events must carry the token").env(&["RECORDING_ENABLE_STORAGE_EVENT_AUTH"]),
    Entry::new("recording.storage_event_token", Secret, "", "token of storage events").env(&["RECORDING_STORAGE_EVENT_TOKEN"]).unset("none"),
    Entry::new("recording.adopt_after", Length, "10m", "finish recordings of a sidecar with the same bucket that was silent for this long; 0 turns it off. The same for all of them"),
    Entry::new("recording.encoding.enabled", Flag, "false", "whether the following values replace the defaults").env(&["RECORDING_ENCODING_ENABLED"]),
    Entry::new("recording.encoding.width", Number, "1280", "pixels, even").env(&["RECORDING_ENCODING_WIDTH"]),
    Entry::new("recording.encoding.height", Number, "720", "pixels, even").env(&["RECORDING_ENCODING_HEIGHT"]),
    Entry::new("recording.encoding.framerate", Number, "30", "frames per second").env(&["RECORDING_ENCODING_FRAMERATE"]),
    Entry::new("recording.encoding.video_bitrate_kbps", Number, "3000", "kbit/s").env(&["RECORDING_ENCODING_VIDEO_BITRATE_KBPS"]),
    Entry::new("recording.encoding.audio_bitrate_kbps", Number, "128", "kbit/s").env(&["RECORDING_ENCODING_AUDIO_BITRATE_KBPS"]),
    Entry::new("recording.encoding.key_frame_interval_s", Real, "4", "longest time between key frames, seconds").env(&["RECORDING_ENCODING_KEY_FRAME_INTERVAL_S"]),
    Entry::new("worker_classes", Tree, "", "recording mode → worker class; the variable replaces every mode, the file adds to them").env(&["RECORDING_WORKER_CLASSES"]).unset("screen_recording: video_composite, transcript: audio_composite"),
    Entry::new("worker_classes.*.class", Text, "", "video_composite or audio_composite").unset("required"),
    Entry::new("worker_classes.*.layout", Text, "", "speaker, grid or single-speaker, each also with -light or -dark").unset("speaker-light"),
    Entry::new("worker_classes.*.preset", Text, "", "LiveKit preset, for example H264_1080P_30").unset("recording.encoding"),
    Entry::new("worker_classes.*.outputs", List, "", "[mp4] or [ogg], as the class makes it").unset("as the class makes it"),
    Entry::new("worker_classes.*.storage", Tree, "", "storage of this mode, with the options of `storage`").unset("storage"),
    // Limits.
    Entry::new("limits.max_duration", Millis, "", "end and store a recording after this time").env(&["RECORDING_MAX_DURATION"]).unset("no limit"),
    Entry::new("limits.max_size", Number, "", "end and store a recording at about this many bytes").unset("no limit"),
    Entry::new("limits.empty_room_timeout", Length, "", "end a recording after the room has been empty for this long").unset("no limit"),
    Entry::new("limits.warning", Length, "60s", "notify the room this long before max_duration"),
    Entry::new("limits.disk_warning", Number, "15", "log a warning while less than this percentage of data_dir's disk is free"),
    Entry::new("limits.recorder_memory", Number, "", "a recorder that takes more bytes than this is replaced by another one, which goes on").unset("2 GiB"),
    Entry::new("limits.disk_reserve", Number, "", "bytes of data_dir's disk that stay free: recordings end before")
        .unset("256 MiB, less on a small disk"),
    // Storage.
    Entry::new("storage.prefix", Text, "", "put before every object key").unset("none"),
    Entry::new("storage.ca_file", Text, "", "PEM file with a certificate authority to trust in addition to the system's").unset("none"),
    Entry::new("storage.timeout", Number, "", "seconds without progress after which a request is tried again").unset("60"),
    Entry::new("storage.max_unsent", Number, "", "seconds after which the unfinished end of a growing file is sent to a bucket too; 0: only full parts").unset("15"),
    Entry::new("storage.local.path", Text, "", "folder for finished files").unset("data_dir"),
    Entry::new("storage.s3.endpoint", Text, "", "for example http://minio:9000").env(&["AWS_S3_ENDPOINT_URL"]).unset("AWS"),
    Entry::new("storage.s3.access_key", Text, "", "access key").env(&["AWS_S3_ACCESS_KEY_ID"]).unset("the machine's credentials"),
    Entry::new("storage.s3.secret", Secret, "", "secret key").env(&["AWS_S3_SECRET_ACCESS_KEY"]).unset("the machine's credentials"),
    Entry::new("storage.s3.session_token", Secret, "", "session token of temporary credentials").unset("none"),
    Entry::new("storage.s3.region", Text, "", "region").env(&["AWS_S3_REGION_NAME"]).unset("us-east-1"),
    Entry::new("storage.s3.bucket", Text, "", "bucket").env(&["AWS_STORAGE_BUCKET_NAME"]).unset("required with s3"),
    Entry::new("storage.s3.force_path_style", Flag, "", "put the bucket into the path instead of the host name").unset("false"),
    Entry::new("storage.s3.part_size", Number, "", "smallest part of an upload, MiB, 5 to 5120").unset("by expected length"),
    Entry::new("storage.s3.checksum", Text, "", "auto (when the store demands them), always or never").unset("auto"),
    Entry::new("storage.s3.content_disposition", Text, "", "Content-Disposition header with which objects are served").unset("none"),
    Entry::new("storage.s3.metadata", Tree, "", "metadata stored with the objects").unset("none"),
    Entry::new("storage.s3.proxy_config.url", Text, "", "HTTP proxy").unset("none"),
    Entry::new("storage.s3.proxy_config.username", Text, "", "user name at the proxy").unset("none"),
    Entry::new("storage.s3.proxy_config.password", Secret, "", "password at the proxy").unset("none"),
    Entry::new("storage.s3.assume_role_arn", Text, "", "not supported").unset("none"),
    Entry::new("storage.azure.account_name", Text, "", "storage account").unset("required with azure"),
    Entry::new("storage.azure.account_key", Secret, "", "account key").unset("required with azure"),
    Entry::new("storage.azure.container_name", Text, "", "container").unset("required with azure"),
    Entry::new("storage.gcp.credentials_json", Secret, "", "JSON of a service account").unset("the machine's credentials"),
    Entry::new("storage.gcp.bucket", Text, "", "bucket").unset("required with gcp"),
    Entry::new("storage.gcp.proxy_config.url", Text, "", "HTTP proxy").unset("none"),
    Entry::new("storage.gcp.proxy_config.username", Text, "", "user name at the proxy").unset("none"),
    Entry::new("storage.gcp.proxy_config.password", Secret, "", "password at the proxy").unset("none"),
    Entry::new("storage.alioss", Secret, "", "not supported; Alibaba Cloud OSS also speaks S3").unset("none"),
    // Notifications.
    Entry::new("mail.transport", Text, "folder", "smtp, folder or none"),
    Entry::new("mail.folder", Text, "", "folder for emails as .eml files").unset("`mail` in data_dir"),
    Entry::new("mail.from", Text, "", "sender, for example Meet <meet@example.org>").unset("required with smtp"),
    Entry::new("mail.brand", Text, "", "name of the service in emails").unset("Greffier"),
    Entry::new("mail.support", Text, "", "address where people get help").unset("none"),
    Entry::new("mail.smtp.host", Text, "", "mail server").unset("required with smtp"),
    Entry::new("mail.smtp.port", Number, "", "port").unset("25, 587 or 465 by encryption"),
    Entry::new("mail.smtp.encryption", Text, "", "starttls, tls or none").unset("starttls"),
    Entry::new("mail.smtp.username", Text, "", "user name").unset("none"),
    Entry::new("mail.smtp.password", Secret, "", "password").unset("none"),
    Entry::new("mail.smtp.ca_file", Text, "", "PEM file with a certificate authority to trust in addition to the system's").unset("none"),
    Entry::new("mail.smtp.ehlo_name", Text, "", "name sent in EHLO").unset("domain of mail.from, or of public_url"),
    Entry::new("mail.smtp.timeout", Number, "", "seconds for one email").unset("30"),
    Entry::new("webhooks.urls", List, "", "notified of every change, in LiveKit's format").unset("none"),
    Entry::new("webhooks.api_key", Text, "", "key that signs webhooks").unset("livekit.api_key"),
    Entry::new("webhooks.api_secret", Secret, "", "secret of that key").unset("livekit.api_secret"),
    Entry::new("room_notices", Flag, "true", "notify participants by room metadata and data messages"),
    Entry::new("storage_hook.url", Text, "", "storage hook of a backend, notified of finished files in MinIO's format").unset("none"),
    Entry::new("storage_hook.token", Secret, "", "bearer token sent to the hook").unset("none"),
    Entry::new("storage_hook.bucket", Text, "", "bucket that the backend expects").unset("meet-media-storage"),
    Entry::new("transcription.endpoint", Text, "", "transcription service that is given finished transcripts").env(&["SUMMARY_SERVICE_ENDPOINT"]).unset("none"),
    Entry::new("transcription.api_token", Secret, "", "bearer token sent to the service").env(&["SUMMARY_SERVICE_API_TOKEN"]).unset("none"),
    Entry::new("transcription.language", Text, "", "language of recordings that name none").unset("none"),
    Entry::new("transcription.form_link", Text, "", "link to a satisfaction form").env(&["TRANSCRIPTION_SATISFACTION_FORM_BASE_URL"]).unset("none"),
    Entry::new("transcription.auto_create_summary", Flag, "", "also request a summary").unset("false"),
    // LiveKit's Redis.
    Entry::new("redis.address", Text, "", "host:port of the Redis that LiveKit uses; turns on LiveKit's egress API over Redis").unset("none"),
    Entry::new("redis.username", Text, "", "user name").unset("none"),
    Entry::new("redis.password", Secret, "", "password").unset("none"),
    Entry::new("redis.db", Number, "", "database number").unset("0"),
    Entry::new("redis.use_tls", Flag, "", "use TLS").unset("false"),
    Entry::new("redis.tls.enabled", Flag, "", "use TLS").unset("false"),
    Entry::new("redis.tls.insecure", Flag, "", "not supported").unset("false"),
    Entry::new("redis.tls.server_name", Text, "", "not supported").unset("none"),
    Entry::new("redis.tls.ca_cert_file", Text, "", "PEM file with the certificate authority").unset("the system's"),
    Entry::new("redis.tls.client_cert_file", Text, "", "PEM file with the client certificate").unset("none"),
    Entry::new("redis.tls.client_key_file", Text, "", "PEM file with the client key").unset("none"),
    Entry::new("redis.sentinel_master_name", Text, "", "name of the master at the Sentinels").unset("none"),
    Entry::new("redis.sentinel_addresses", List, "", "addresses of the Sentinels").unset("none"),
    Entry::new("redis.sentinel_username", Text, "", "user name at the Sentinels").unset("none"),
    Entry::new("redis.sentinel_password", Secret, "", "password at the Sentinels").unset("none"),
    Entry::new("redis.cluster_addresses", List, "", "not supported").unset("none"),
    Entry::new("cluster_id", Text, "", "LiveKit Egress option: which server's requests are accepted").unset("none"),
    Entry::new(
        "max_cpu_utilization",
        Real,
        "0.9",
        "share of all cores that may be in use when another recording begins; a start beyond it is refused (503)",
    ),
    Entry::new("on_sigterm", Text, "", "what becomes of running recordings at SIGTERM: drain lets them come to their end, suspend leaves at once and goes on with them \
        at the next start, stop ends them").unset("drain with redis, else stop"),
    Entry::new("disallow_local_storage", Flag, "false", "LiveKit Egress option: refuse requests that would store on this machine's disk"),
    Entry::new("unsupported_requests", Text, "low_bid", "requests that are not supported, such as web egress: low_bid leaves them to LiveKit's own egress and refuses \
         them when there is none, decline does not answer, reject refuses them at once"),
    Entry::new("requests.allowed_hosts", List, "", "internal hosts that webhooks and storages of HTTP requests may name, for example minio, *.svc.cluster.local or \
         *; hosts in this configuration are always allowed, and requests over Redis are not restricted").unset("none"),
];
