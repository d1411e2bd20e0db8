//! A headless Chromium, driven by the DevTools protocol over a pipe: what it shows, what it asks for, what it complains about.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

/// What is not there after this long never comes.
const TIMEOUT: Duration = Duration::from_secs(60);

/// One browser with one page.
pub struct Browser {
    child: Child,
    to: ChildStdin,
    from: Receiver<Value>,
    session: String,
    calls: u64,
    /// Everything that happened so far.
    pub events: Vec<Value>,
    profile: tempfile::TempDir,
}

impl Browser {
    /// An empty page of 1280×800.
    pub fn launch() -> Self {
        let profile = tempfile::tempdir().unwrap();
        // Chromium reads the protocol from descriptor 3 and writes it to 4.
        let mut child = Command::new("sh")
            .args(["-c", "exec chromium \"$@\" 3<&0 4>&1 </dev/null >/dev/null", "sh"])
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--mute-audio"])
            .args(["--remote-debugging-pipe", "--no-first-run", "--disable-background-networking", "--hide-scrollbars"])
            .args(["--disable-component-update", "--disable-extensions", "--disable-sync"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (to, out) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (sender, from) = channel();
        std::thread::spawn(move || {
            let mut out = BufReader::new(out);
            let mut message = Vec::new();
            while out.read_until(0, &mut message).is_ok_and(|read| read > 0) {
                message.pop();
                if sender.send(serde_json::from_slice(&message).unwrap()).is_err() {
                    return;
                }
                message.clear();
            }
        });
        let mut browser = Self { child, to, from, session: String::new(), calls: 0, events: Vec::new(), profile };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"}));
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        browser.session = browser.call("Target.attachToTarget", attach)["sessionId"].as_str().unwrap().to_owned();
        for domain in ["Page", "Network", "Runtime", "Log"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser.size(1280, 800, false);
        browser
    }

    /// The window's size in CSS pixels; a phone has touch and two pixels for each.
    pub fn size(&mut self, width: u32, height: u32, phone: bool) {
        let scale = if phone { 2 } else { 1 };
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": scale, "mobile": phone});
        self.call("Emulation.setDeviceMetricsOverride", metrics);
        self.call("Emulation.setTouchEmulationEnabled", json!({"enabled": phone}));
    }

    /// Light or dark.
    pub fn scheme(&mut self, name: &str) {
        let feature = json!([{"name": "prefers-color-scheme", "value": name}]);
        self.call("Emulation.setEmulatedMedia", json!({"features": feature}));
    }

    /// What the browser's user reads.
    pub fn language(&mut self, code: &str) {
        let agent = self.call("Browser.getVersion", json!({}))["userAgent"].clone();
        self.call("Emulation.setUserAgentOverride", json!({"userAgent": agent, "acceptLanguage": code}));
        self.call("Emulation.setTimezoneOverride", json!({"timezoneId": "Europe/Paris"}));
    }

    /// Without scripts, as some readers have it.
    pub fn scripts(&mut self, on: bool) {
        self.call("Emulation.setScriptExecutionDisabled", json!({"value": !on}));
    }

    /// Opens it and waits until everything is loaded.
    pub fn open(&mut self, url: &str) {
        let loaded = self.count("Page.loadEventFired");
        let answer = self.call("Page.navigate", json!({"url": url}));
        assert!(answer["errorText"].is_null(), "{url}: {answer}");
        self.wait("the page", |browser| browser.count("Page.loadEventFired") > loaded);
    }

    /// The value of this expression, also when it is promised.
    pub fn eval(&mut self, expression: &str) -> Value {
        let ask = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let answer = self.call("Runtime.evaluate", ask);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Waits until this expression is true. While another page is coming it may fail.
    pub fn until(&mut self, expression: &str) {
        let ask = json!({"expression": expression, "returnByValue": true});
        let is_true = |answer: Result<Value, Value>| answer.is_ok_and(|answer| answer["result"]["value"] == true);
        self.wait(expression, |browser| is_true(browser.ask("Runtime.evaluate", ask.clone())));
    }

    /// The page's text as people see it.
    pub fn text(&mut self) -> String {
        self.eval("document.querySelector('main').innerText").as_str().unwrap_or_default().to_owned()
    }

    /// Presses a key: `Tab`, `Enter` or `Space`.
    pub fn press(&mut self, key: &str) {
        let (name, code, text) = match key {
            "Tab" => ("Tab", 9, ""),
            "Enter" => ("Enter", 13, "\r"),
            "Space" => (" ", 32, " "),
            _ => panic!("no key {key}"),
        };
        let event = |kind| json!({"type": kind, "key": name, "code": key, "windowsVirtualKeyCode": code, "text": text});
        self.call("Input.dispatchKeyEvent", event("keyDown"));
        self.call("Input.dispatchKeyEvent", event("keyUp"));
    }

    /// Types into what has the focus.
    pub fn type_text(&mut self, text: &str) {
        self.call("Input.insertText", json!({"text": text}));
    }

    /// Writes `target/page/{name}.png`, the whole page.
    pub fn screenshot(&mut self, name: &str) {
        let shot = self.call("Page.captureScreenshot", json!({"captureBeyondViewport": true}));
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/page");
        fs::create_dir_all(&folder).unwrap();
        let png = BASE64_STANDARD.decode(shot["data"].as_str().unwrap()).unwrap();
        fs::write(folder.join(format!("{name}.png")), png).unwrap();
    }

    /// The URLs that were requested.
    pub fn requests(&self) -> Vec<String> {
        let urls = self.of("Network.requestWillBeSent").map(|event| &event["request"]["url"]);
        urls.map(|url| url.as_str().unwrap().to_owned()).collect()
    }

    /// The `Range` headers of what was requested.
    pub fn ranges(&self) -> Vec<String> {
        let headers = |event: &Value| event["headers"].as_object().cloned().unwrap_or_default();
        let requested = self.of("Network.requestWillBeSentExtraInfo").map(headers);
        let range = |headers: serde_json::Map<String, Value>| {
            headers.into_iter().find(|(name, _)| name.eq_ignore_ascii_case("range")).map(|(_, value)| value)
        };
        requested.filter_map(range).map(|value| value.as_str().unwrap().to_owned()).collect()
    }

    /// Bytes of bodies received so far.
    pub fn received(&self) -> u64 {
        self.of("Network.dataReceived").map(|event| event["dataLength"].as_u64().unwrap_or(0)).sum()
    }

    /// What the browser complained about: policies, scripts, missing files.
    pub fn complaints(&self) -> Vec<String> {
        let logged = self.of("Log.entryAdded").filter(|event| event["entry"]["level"] == "error");
        let logged = logged.map(|event| event["entry"].to_string());
        let thrown = self.of("Runtime.exceptionThrown").map(ToString::to_string);
        let said = self.of("Runtime.consoleAPICalled").filter(|event| event["type"] == "error");
        logged.chain(thrown).chain(said.map(ToString::to_string)).collect()
    }

    /// A command of the protocol and its result.
    pub fn call(&mut self, method: &str, params: Value) -> Value {
        self.ask(method, params).unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    fn ask(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        self.calls += 1;
        let id = self.calls;
        let mut message = json!({"id": id, "method": method, "params": params});
        if !self.session.is_empty() && !method.starts_with("Target.") && !method.starts_with("Browser.") {
            message["sessionId"] = self.session.clone().into();
        }
        let sent = self.to.write_all(format!("{message}\0").as_bytes()).and_then(|()| self.to.flush());
        assert!(sent.is_ok(), "chromium does not run: apt-get install chromium");
        loop {
            let answer = self.from.recv_timeout(TIMEOUT);
            let answer = answer.unwrap_or_else(|e| panic!("{method}: {e}; is it there? apt-get install chromium"));
            if answer["id"] == id {
                let failed = !answer["error"].is_null();
                return if failed { Err(answer["error"].clone()) } else { Ok(answer["result"].clone()) };
            }
            self.events.push(answer);
        }
    }

    fn of<'a>(&'a self, method: &'a str) -> impl Iterator<Item = &'a Value> {
        self.events.iter().filter(move |event| event["method"] == method).map(|event| &event["params"])
    }

    fn count(&self, method: &str) -> usize {
        self.of(method).count()
    }

    fn wait(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let begun = Instant::now();
        while !done(self) {
            if begun.elapsed() >= TIMEOUT {
                let text = self.text();
                panic!("{what} never came; complaints: {:?}; the page says: {text}", self.complaints());
            }
            if let Ok(event) = self.from.recv_timeout(Duration::from_millis(50)) {
                self.events.push(event);
            }
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The wrapper has become the browser itself; its helpers end with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = &self.profile;
    }
}
