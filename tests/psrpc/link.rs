//! How Redis is reached: with a password, by sentinels, over TLS.

use super::*;

#[tokio::test]
async fn the_password_is_asked_for_and_named_when_wrong() {
    let redis =
        Redis::start_with(&["--requirepass", "open sesame", "--user", "greffier", "on", ">her", "&*", "+@all", "~*"]);
    let with = |username: Option<&str>, password: Option<&str>| {
        let (username, password) = (username.map(str::to_owned), password.map(Secret::new));
        Bus::start(Settings { username, password, ..Settings::at(&redis.address()).unwrap() })
    };
    with(None, Some("open sesame")).ping().await.unwrap();
    let (_serving, _) = serve(&with(None, Some("open sesame")), "server", ServiceKind::Queue).await;
    let client = PsrpcClient::new(&with(Some("greffier"), Some("her")), "Test");
    assert_eq!(client.call("Do", "", raw("a"), &CallOptions::patient(LONG, LONG)).await.unwrap(), "server did a");
    for wrong in [with(None, None), with(None, Some("open barley")), with(Some("greffier"), Some("open sesame"))] {
        let error = wrong.ping().await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unauthenticated, "{error}");
        assert!(error.message.starts_with("redis.password: Redis at 127.0.0.1:"), "{error}");
        assert!(!error.message.contains("barley") && !error.message.contains("sesame"), "{error}");
    }
}

#[tokio::test]
async fn sentinels_lead_to_the_master() {
    let redis = Redis::start();
    let sentinel = Redis::sentinel(&redis);
    let section = serde_json::json!({
        "sentinel_addresses": ["127.0.0.1:1", sentinel.address()], "sentinel_master_name": "main", "db": 1 });
    let settings = |section| {
        let section = greffier::document::read(section, "redis").unwrap();
        Bus::start(Settings::read(section).unwrap().unwrap())
    };
    let by_sentinel = settings(section.clone());
    by_sentinel.ping().await.unwrap();
    let (_serving, _) = serve(&by_sentinel, "server", ServiceKind::Queue).await;
    let client = PsrpcClient::new(&bus(&redis), "Test");
    assert_eq!(client.call("Do", "", raw("a"), &CallOptions::patient(LONG, LONG)).await.unwrap(), "server did a");
    let mut unknown = section;
    unknown["sentinel_master_name"] = "other".into();
    assert_eq!(settings(unknown).ping().await.unwrap_err().kind, ErrorKind::Unavailable);
}

#[tokio::test]
async fn tls_is_used_and_its_authority_checked() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let folder = tempfile::TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(path("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(path("key.pem"), made.signing_key.serialize_pem()).unwrap();
    let port = support::redis::free_port();
    let (cert, key, port_text) = (path("cert.pem"), path("key.pem"), port.to_string());
    let arguments = ["--tls-port", &port_text, "--tls-cert-file", &cert, "--tls-key-file", &key];
    let _redis =
        Redis::start_with(&[&arguments[..], &["--tls-ca-cert-file", &cert, "--tls-auth-clients", "no"]].concat());
    let settings = |section| {
        let section = greffier::document::read(section, "redis").unwrap();
        Bus::start(Settings::read(section).unwrap().unwrap())
    };
    let address = format!("localhost:{port}");
    let trusting =
        settings(serde_json::json!({ "address": address, "tls": { "enabled": true, "ca_cert_file": cert } }));
    trusting.ping().await.unwrap();
    let (_serving, _) = serve(&trusting, "server", ServiceKind::Queue).await;
    let client = PsrpcClient::new(&trusting, "Test");
    assert_eq!(client.call("Do", "", raw("a"), &CallOptions::patient(LONG, LONG)).await.unwrap(), "server did a");
    let strict = settings(serde_json::json!({ "address": address, "use_tls": true }));
    assert_eq!(strict.ping().await.unwrap_err().kind, ErrorKind::Unavailable);
    let gone = settings(serde_json::json!({ "address": address, "tls": { "enabled": true, "ca_cert_file": "/none" } }));
    assert!(gone.ping().await.unwrap_err().message.starts_with("redis.tls.ca_cert_file: cannot read /none"));
}
