//! Letters: as golden files, and by a real mail server.

use std::path::Path;

use greffier::error::{ErrorKind, Undelivered};
use greffier::notify::{Encryption, Mail, Settings, Smtp, Transport};
use greffier::recording::{Event, Failure, HoleCause, Limit, Outcome, Recording, State, Target};
use greffier::secret::Secret;
use jiff::SignedDuration;

use crate::support::scripted_mail::ScriptedMail;
use crate::support::smtp::{MailServer, PASSWORD, USER};
use crate::{NOWHERE, notifier, recording};

fn mail(transport: Transport) -> Settings {
    let from = "Visio <no-reply@meet.example.org>".parse().unwrap();
    let support = Some("help@meet.example.org".parse().unwrap());
    Settings { mail: Mail { transport, from, brand: "Visio".into(), support }, ..Settings::default() }
}

fn smtp(server: &MailServer, encryption: Encryption, credentials: Option<(&str, &str)>) -> Smtp {
    Smtp {
        host: "localhost".into(),
        port: server.port,
        encryption,
        credentials: credentials.map(|(user, password)| (user.to_owned(), Secret::new(password))),
        ca_file: Some(server.ca_file.clone()),
        ehlo_name: None,
        timeout: std::time::Duration::from_secs(20),
    }
}

fn to(email: &str) -> Recording {
    let mut about = recording("EG_nPQZPwZEVdHN");
    about.options.owner.as_mut().unwrap().email = email.to_owned();
    about
}

/// `testdata/mail/{name}.eml`, written by the folder transport as it is by default.
async fn golden(name: &str, about: &Recording) {
    let folder = tempfile::TempDir::new().unwrap();
    let notifier = notifier(mail(Transport::Folder(None)), folder.path(), NOWHERE);
    for _ in 0..2 {
        notifier.notify(Event::Ended, &Target::Mail, about).await.unwrap();
    }
    let files: Vec<_> =
        std::fs::read_dir(folder.path().join("mail")).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(
        files,
        [folder.path().join(format!("mail/{}-ended.eml", about.id))],
        "a second try writes the same file"
    );
    let text = std::fs::read_to_string(&files[0]).unwrap();
    assert!(text.lines().count() == text.matches("\r\n").count(), "lines end as RFC 5322 wants");
    let text = text.replace("\r\n", "\n");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/mail").join(format!("{name}.eml"));
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        std::fs::write(&path, text).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(&path)
        .unwrap_or_else(|e| panic!("{}: {e}; UPDATE_GOLDENS=1 writes it", path.display()));
    assert!(text == expected, "{} differs; UPDATE_GOLDENS=1 writes it, git shows the change", path.display());
}

#[tokio::test]
async fn emails_are_as_kept() {
    golden("en-complete", &recording("EG_en")).await;

    let mut about = recording("EG_fr");
    let owner = about.options.owner.as_mut().unwrap();
    (owner.locale, owner.time_zone) = (Some("fr-CA".into()), Some("America/Montreal".into()));
    owner.name = Some("Zoé <b>".into());
    about.request.room = "Réunion <script> & \"amis\"".into();
    about.expires_at = Some(about.created_at + SignedDuration::from_hours(24 * 28));
    golden("fr-expires-escaped", &about).await;

    let mut about = recording("EG_de");
    let owner = about.options.owner.as_mut().unwrap();
    (owner.locale, owner.time_zone, owner.name) = (Some("de".into()), Some("Europe/Nowhere".into()), None);
    about.state = State::Ended(Outcome::LimitReached(Limit::Duration));
    golden("de-limit-unknown-zone", &about).await;

    let mut about = recording("EG_nl");
    let owner = about.options.owner.as_mut().unwrap();
    (owner.locale, owner.time_zone) = (Some("nl_BE".into()), Some("Europe/Brussels".into()));
    about.state = State::Ended(Outcome::CutShort(Failure::new(
        ErrorKind::Unavailable,
        "the server did not come back within 30 s",
    )));
    golden("nl-cut-short", &about).await;
    let mut about = recording("EG_gaps");
    about.options.owner.as_mut().unwrap().locale = Some("fr".to_owned());
    about.health.hole(65_000_000_000, 68_250_000_000, HoleCause::Connection, "no media path to the server");
    about.health.audio_lost("Zoé <b>", 700_000_000);
    about.health.track_lost("TR_1", "Bob\r\nBcc: x", "end-to-end encrypted");
    golden("fr-incomplete", &about).await;
}

#[tokio::test]
async fn a_letter_in_memory_and_one_that_cannot_be_addressed() {
    let (sender, mut emails) = tokio::sync::mpsc::unbounded_channel();
    let folder = tempfile::TempDir::new().unwrap();
    let notifier = notifier(mail(Transport::Memory(sender)), folder.path(), NOWHERE);
    notifier.notify(Event::Ended, &Target::Mail, &to("ada@example.org")).await.unwrap();
    let email = String::from_utf8(emails.recv().await.unwrap()).unwrap();
    assert!(email.contains("Subject: Your recording is ready\r\n"), "{email}");
    assert!(email.contains("https://meet.example.org/recording/EG_nPQZPwZEVdHN"), "{email}");
    assert!(email.contains("Auto-Submitted: auto-generated\r\n"), "{email}");
    for address in ["ada", "ada@", "ada@example.org\r\nBcc: eve@example.org", "", "a b@example.org"] {
        let error = notifier.notify(Event::Ended, &Target::Mail, &to(address)).await.unwrap_err();
        let Undelivered::Never(error) = error else { panic!("{error}") };
        assert!(!error.message.contains("ada"), "{error}");
    }
    // A name cannot bring headers of its own either.
    let mut about = to("ada@example.org");
    about.options.owner.as_mut().unwrap().name = Some("Ada\r\nBcc: eve@example.org".into());
    notifier.notify(Event::Ended, &Target::Mail, &about).await.unwrap();
    let email = String::from_utf8(emails.recv().await.unwrap()).unwrap();
    assert!(!email.lines().any(|line| line.starts_with("Bcc:")), "{email}");
}

#[tokio::test(flavor = "multi_thread")]
async fn by_smtp_with_starttls_and_password() {
    let server = MailServer::start("starttls", true);
    let folder = tempfile::TempDir::new().unwrap();
    let with = |smtp: Smtp| notifier(mail(Transport::Smtp(smtp)), folder.path(), NOWHERE);
    let right = with(smtp(&server, Encryption::StartTls, Some((USER, PASSWORD))));
    right.notify(Event::Ended, &Target::Mail, &to("ada@example.org")).await.unwrap();
    right.notify(Event::Ended, &Target::Mail, &to("ada@example.org")).await.unwrap();
    let (first, second) = (server.email(), server.email());
    assert_eq!(first.envelope["to"][0], "ada@example.org");
    assert_eq!(first.envelope["from"], "no-reply@meet.example.org");
    assert!(first.envelope["tls"] == true && first.envelope["authenticated"] == true, "{}", first.envelope);
    assert_eq!(first.text, second.text, "a repeated letter is the same letter");

    // For ever: this recipient. Not for ever: a busy server, a wrong password, an unknown authority, no server.
    let refused = right.notify(Event::Ended, &Target::Mail, &to("refused@example.org")).await.unwrap_err();
    let Undelivered::Never(refused) = refused else { panic!("{refused}") };
    assert!(!refused.message.contains("refused@") && refused.message.contains("r***@example.org"), "{refused}");
    let later = right.notify(Event::Ended, &Target::Mail, &to("later@example.org")).await.unwrap_err();
    let wrong = with(smtp(&server, Encryption::StartTls, Some((USER, "wrong"))));
    let wrong = wrong.notify(Event::Ended, &Target::Mail, &to("ada@example.org")).await.unwrap_err();
    let unknown = with(Smtp { ca_file: None, ..smtp(&server, Encryption::StartTls, None) });
    let unknown = unknown.notify(Event::Ended, &Target::Mail, &to("ada@example.org")).await.unwrap_err();
    let nobody = with(Smtp { port: 9, ..smtp(&server, Encryption::StartTls, None) });
    let nobody = nobody.notify(Event::Ended, &Target::Mail, &to("ada@example.org")).await.unwrap_err();
    for error in [later, wrong, unknown, nobody] {
        let Undelivered::Retry(error) = error else { panic!("{error}") };
        assert!(!error.message.contains(PASSWORD) && !error.message.contains("ada@"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn by_smtp_over_tls_and_in_clear() {
    let folder = tempfile::TempDir::new().unwrap();
    for (name, encryption, credentials) in
        [("tls", Encryption::Tls, Some((USER, PASSWORD))), ("none", Encryption::None, None)]
    {
        let server = MailServer::start(name, credentials.is_some());
        let transport = Transport::Smtp(smtp(&server, encryption, credentials));
        let notifier = notifier(mail(transport), folder.path(), NOWHERE);
        notifier.notify(Event::Ended, &Target::Mail, &to("ada@example.org")).await.unwrap();
        let email = server.email();
        assert_eq!(email.envelope["tls"], encryption != Encryption::None);
        assert!(email.text.contains("Message-ID: <EG_nPQZPwZEVdHN.ended."), "{}", email.text);
    }
    // A server that speaks no STARTTLS gets neither password nor email.
    let server = MailServer::start("none", false);
    let transport = Transport::Smtp(smtp(&server, Encryption::StartTls, Some((USER, PASSWORD))));
    let notifier = notifier(mail(transport), folder.path(), NOWHERE);
    let error = notifier.notify(Event::Ended, &Target::Mail, &to("ada@example.org")).await.unwrap_err();
    assert!(matches!(error, Undelivered::Retry(_)), "{error}");
}

fn scripted(server: &ScriptedMail, ehlo_name: Option<&str>, from: &str) -> Settings {
    let smtp = Smtp {
        host: "127.0.0.1".into(),
        port: server.port,
        encryption: Encryption::None,
        credentials: None,
        ca_file: None,
        ehlo_name: ehlo_name.map(str::to_owned),
        timeout: std::time::Duration::from_secs(20),
    };
    let mut settings = mail(Transport::Smtp(smtp));
    settings.mail.from = from.parse().unwrap();
    settings
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_refusal_of_the_letter_is_for_ever() {
    let folder = tempfile::TempDir::new().unwrap();
    let table = [
        ("greeting", "554 5.7.1 no service for you", false),
        ("greeting", "421 too many connections", false),
        ("EHLO", "504 5.5.2 need fully-qualified hostname", false),
        ("EHLO", "421 4.7.0 go away", false),
        ("EHLO", "550 5.7.1 bad name", false),
        ("MAIL", "553 5.7.1 sender not allowed", false),
        ("RCPT", "504 5.5.2 <box>: Helo command rejected: need fully-qualified hostname", false),
        ("RCPT", "550 5.1.1 nobody of this name here", true),
        ("RCPT", "451 4.7.1 greylisted", false),
        ("DATA", "554 5.6.0 no letters of this kind", true),
        ("letter", "550 5.7.1 looks like spam", true),
        ("letter", "452 4.3.1 disk full", false),
    ];
    for (command, answer, is_final) in table {
        let server = ScriptedMail::start(&[(command, answer)]);
        let settings = scripted(&server, None, "Meet <no-reply@meet.example.org>");
        let notifier = notifier(settings, folder.path(), NOWHERE);
        let error = notifier.notify(Event::Ended, &Target::Mail, &to("ada@example.org")).await.unwrap_err();
        assert_eq!(matches!(error, Undelivered::Never(_)), is_final, "{command} {answer}: {error}");
        server.relent();
        notifier.notify(Event::Ended, &Target::Mail, &to("ada@example.org")).await.unwrap();
        assert_eq!(server.emails(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_says_a_name_that_servers_take() {
    let folder = tempfile::TempDir::new().unwrap();
    // The domain of the sender; that of `public_url`; what is configured.
    let table = [
        (None, "Meet <no-reply@visio.example.org>", "EHLO visio.example.org"),
        (None, "greffier@localhost", "EHLO meet.example.org"),
        (Some("mx.example.net"), "greffier@localhost", "EHLO mx.example.net"),
        (Some("[192.0.2.1]"), "greffier@localhost", "EHLO [192.0.2.1]"),
    ];
    for (ehlo_name, from, wanted) in table {
        let server = ScriptedMail::start(&[]);
        let notifier = notifier(scripted(&server, ehlo_name, from), folder.path(), NOWHERE);
        notifier.notify(Event::Ended, &Target::Mail, &to("ada@example.org")).await.unwrap();
        assert_eq!(server.heard("EHLO"), [wanted]);
    }
}
