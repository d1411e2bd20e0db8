//! The storage that a request brings along: as our configuration writes it, and as it may be shown.

use livekit_protocol as proto;
use livekit_protocol::encoded_file_output::Output;
use livekit_protocol::storage_config::Provider;
use serde_json::{Value, json};

use crate::egress::filename::invalid;
use crate::error::{Error, ErrorKind, Result};

/// As the `storage` section of the configuration; it holds secrets.
pub fn section(store: &Provider) -> Result<Value> {
    match store {
        Provider::S3(s3) => {
            if s3.bucket.is_empty() {
                return Err(invalid("bucket"));
            }
            if !s3.assume_role_arn.is_empty() {
                return Err(unimplemented("assume_role_arn: give an access key and a secret instead"));
            }
            if s3.proxy.as_ref().is_some_and(|proxy| !proxy.url.is_empty()) {
                return Err(unimplemented("proxy: set HTTPS_PROXY for the whole process instead"));
            }
            Ok(json!({"s3": {
                "access_key": s3.access_key,
                "secret": s3.secret,
                "session_token": s3.session_token,
                "region": s3.region,
                "endpoint": s3.endpoint,
                "bucket": s3.bucket,
                "force_path_style": s3.force_path_style,
            }}))
        }
        Provider::Gcp(gcp) if gcp.bucket.is_empty() => Err(invalid("bucket")),
        Provider::Gcp(gcp) => Ok(json!({"gcp": {"credentials_json": gcp.credentials, "bucket": gcp.bucket}})),
        Provider::Azure(azure) if azure.container_name.is_empty() => Err(invalid("container_name")),
        Provider::Azure(azure) => Ok(json!({"azure": {
            "account_name": azure.account_name,
            "account_key": azure.account_key,
            "container_name": azure.container_name,
        }})),
        Provider::AliOss(_) => Err(unimplemented("aliOSS: it speaks S3's protocol, use `s3` with its endpoint")),
    }
}

/// Where the object can be found, as LiveKit writes it: always https, whatever the endpoint says.
pub(super) fn location(section: &Value, key: &str) -> Option<String> {
    if let Some(s3) = section.get("s3") {
        let text = |name: &str| s3.get(name).and_then(Value::as_str).unwrap_or_default();
        let (bucket, endpoint, region) = (text("bucket"), text("endpoint"), text("region"));
        let host = endpoint.split_once("://").map_or(endpoint, |(_, host)| host).trim_end_matches('/');
        let host = match (host.is_empty(), region.is_empty()) {
            (false, _) => host.to_owned(),
            (true, true) => "s3.amazonaws.com".to_owned(),
            (true, false) => format!("s3.{region}.amazonaws.com"),
        };
        let path_style = s3.get("force_path_style").and_then(Value::as_bool).unwrap_or(false);
        return Some(if path_style {
            format!("https://{host}/{bucket}/{key}")
        } else {
            format!("https://{bucket}.{host}/{key}")
        });
    }
    let text = |store: &str, name: &str| Some(section.get(store)?.get(name)?.as_str()?.to_owned());
    if let Some(bucket) = text("gcp", "bucket") {
        return Some(format!("https://{bucket}.storage.googleapis.com/{key}"));
    }
    let (account, container) = (text("azure", "account_name")?, text("azure", "container_name")?);
    Some(format!("https://{account}.blob.core.windows.net/{container}/{key}"))
}

/// Takes the secrets out of what a file output brings along.
pub fn redact_output(output: &mut Output) {
    match output {
        Output::S3(s3) => redact_s3(s3),
        Output::Gcp(gcp) => hide(&mut gcp.credentials, "credentials"),
        Output::Azure(azure) => redact_azure(azure),
        Output::AliOss(oss) => redact_oss(oss),
    }
}

/// Takes the secrets out of what a request brings along.
pub fn redact(store: &mut proto::StorageConfig) {
    match &mut store.provider {
        Some(Provider::S3(s3)) => redact_s3(s3),
        Some(Provider::Gcp(gcp)) => hide(&mut gcp.credentials, "credentials"),
        Some(Provider::Azure(azure)) => redact_azure(azure),
        Some(Provider::AliOss(oss)) => redact_oss(oss),
        None => {}
    }
}

/// The same storage in the words of the API's second version.
pub fn provider(output: &Output) -> Provider {
    match output.clone() {
        Output::S3(s3) => Provider::S3(s3),
        Output::Gcp(gcp) => Provider::Gcp(gcp),
        Output::Azure(azure) => Provider::Azure(azure),
        Output::AliOss(oss) => Provider::AliOss(oss),
    }
}

fn redact_s3(s3: &mut proto::S3Upload) {
    hide(&mut s3.access_key, "access_key");
    hide(&mut s3.secret, "secret");
    hide(&mut s3.session_token, "session_token");
    hide(&mut s3.assume_role_external_id, "external_id");
    if let Some(proxy) = &mut s3.proxy {
        hide(&mut proxy.password, "password");
    }
}

fn redact_azure(azure: &mut proto::AzureBlobUpload) {
    hide(&mut azure.account_name, "account_name");
    hide(&mut azure.account_key, "account_key");
}

fn redact_oss(oss: &mut proto::AliOssUpload) {
    hide(&mut oss.access_key, "access_key");
    hide(&mut oss.secret, "secret");
}

fn hide(secret: &mut String, name: &str) {
    if !secret.is_empty() {
        *secret = format!("{{{name}}}");
    }
}

pub(super) fn unimplemented(what: &str) -> Error {
    Error::new(ErrorKind::Unimplemented, format!("not supported: {what}"))
}
