//! A mail server that says what it is told to say: an answer per command, without TLS.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// The server, on a free loopback port; it ends with the process.
pub struct ScriptedMail {
    /// Where it listens.
    pub port: u16,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    answers: HashMap<String, String>,
    heard: Vec<String>,
    emails: Vec<String>,
}

impl ScriptedMail {
    /// `answers`: to `greeting`, a command such as `EHLO`, or `email` (what comes after DATA). The others are taken.
    pub fn start(answers: &[(&str, &str)]) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free loopback port");
        let port = listener.local_addr().expect("its address").port();
        let answers = answers.iter().map(|(to, answer)| ((*to).to_owned(), (*answer).to_owned())).collect();
        let shared = Arc::new(Mutex::new(Shared { answers, ..Shared::default() }));
        let all = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = all.clone();
                std::thread::spawn(move || {
                    let _ = talk(&stream, &shared);
                });
            }
        });
        Self { port, shared }
    }

    /// It has changed its mind: everything is taken.
    pub fn relent(&self) {
        self.shared.lock().expect("not poisoned").answers.clear();
    }

    /// The lines it heard that begin with this command.
    pub fn heard(&self, command: &str) -> Vec<String> {
        let heard = &self.shared.lock().expect("not poisoned").heard;
        heard.iter().filter(|line| line.starts_with(command)).cloned().collect()
    }

    /// How many emails it took.
    pub fn emails(&self) -> usize {
        self.shared.lock().expect("not poisoned").emails.len()
    }
}

fn talk(stream: &TcpStream, shared: &Mutex<Shared>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream.try_clone()?;
    let told = |to: &str| shared.lock().expect("not poisoned").answers.get(to).cloned();
    write!(writer, "{}\r\n", told("greeting").unwrap_or_else(|| "220 scripted".to_owned()))?;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let line = line.trim_end().to_owned();
        let command = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        shared.lock().expect("not poisoned").heard.push(line);
        let usual = if command == "DATA" { "354 go on" } else { "250 well" };
        let answer = told(&command).unwrap_or_else(|| usual.to_owned());
        write!(writer, "{answer}\r\n")?;
        if command == "QUIT" {
            return Ok(());
        }
        if command == "DATA" && answer.starts_with("354") {
            let mut email = String::new();
            while !email.ends_with("\r\n.\r\n") {
                if reader.read_line(&mut email)? == 0 {
                    return Ok(());
                }
            }
            let answer = told("letter").unwrap_or_else(|| "250 taken".to_owned());
            if answer.starts_with('2') {
                shared.lock().expect("not poisoned").emails.push(email);
            }
            write!(writer, "{answer}\r\n")?;
        }
    }
}
