//! An object store of few words: enough of S3 to be stored into, and as narrow as the narrowest provider. What it may not, takes
//! not, and loses is a [`Policy`], which a test may change while it runs. Signatures are not looked at.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use greffier::secret::Secret;
use greffier::storage::{S3, Settings, Target};
use md5::Digest as _;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// PutObject.
    Put,
    /// CreateMultipartUpload.
    Create,
    /// UploadPart.
    Part,
    /// CompleteMultipartUpload.
    Complete,
    /// AbortMultipartUpload.
    Abort,
    /// HeadObject.
    Head,
    /// GetObject.
    Get,
    /// DeleteObject.
    Delete,
}

/// How it behaves.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// 403 AccessDenied.
    pub forbidden: Vec<Op>,
    /// 403 for HEAD and GET of what is absent: a key without `s3:ListBucket`.
    pub hides_absence: bool,
    /// Part numbers beyond it are refused with InvalidArgument.
    pub max_parts: Option<u32>,
    /// All parts but the last must be equally long, as with Cloudflare R2; another last one may not be longer.
    pub equal_parts: bool,
    /// Bodies need `Content-MD5` or `x-amz-checksum-…`, as in a bucket with Object Lock; what is there must be right.
    pub wants_checksum: bool,
    /// Bytes per second of all bodies together.
    pub speed: Option<u64>,
    /// So many requests are answered 503 SlowDown.
    pub busy: u32,
    /// 301 PermanentRedirect to this region, for those signed for another.
    pub region: Option<String>,
    /// So many parts are cut off in the middle.
    pub resets: u32,
    /// So many completions are done, and never answered.
    pub lost_answers: u32,
    /// 403 RequestTimeTooSkewed.
    pub skewed: bool,
    /// Whatever is asked is answered 400 with this body.
    pub says: Option<String>,
}

/// The store, on a free loopback port.
pub struct ScriptedStore {
    /// Its port.
    pub port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    policy: Mutex<Policy>,
    kept: Mutex<Kept>,
    /// When the line is free again.
    line: Mutex<Option<Instant>>,
}

#[derive(Default)]
struct Kept {
    objects: HashMap<String, Vec<u8>>,
    uploads: BTreeMap<String, (String, BTreeMap<u32, Vec<u8>>)>,
    begun: u32,
    calls: Vec<(Op, u16)>,
    bodies: u64,
    authorization: Vec<String>,
    abreast: u32,
    most_abreast: u32,
}

impl ScriptedStore {
    /// Starts it; it ends with the process.
    pub fn start(policy: Policy) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free loopback port");
        let port = listener.local_addr().expect("its address").port();
        let shared = Arc::new(Shared { policy: Mutex::new(policy), ..Shared::default() });
        let all = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = all.clone();
                std::thread::spawn(move || {
                    let _ = serve(&stream, &shared);
                });
            }
        });
        Self { port, shared }
    }

    /// It behaves otherwise from now on.
    pub fn set(&self, change: impl FnOnce(&mut Policy)) {
        change(&mut self.shared.policy.lock().expect("not poisoned"));
    }

    /// What leads to its bucket.
    pub fn settings(&self) -> Settings {
        Settings::of(Target::S3(Box::new(S3 {
            access_key: Some("scripted".to_owned()),
            secret: Some(Secret::new("a secret of the tests")),
            endpoint: Some(format!("http://127.0.0.1:{}", self.port)),
            bucket: "films".to_owned(),
            force_path_style: true,
            ..S3::default()
        })))
    }

    /// The object's bytes.
    pub fn object(&self, key: &str) -> Option<Vec<u8>> {
        self.kept().objects.get(key).cloned()
    }

    /// How many objects there are.
    pub fn objects(&self) -> usize {
        self.kept().objects.len()
    }

    /// Uploads that are neither complete nor aborted.
    pub fn open_uploads(&self) -> usize {
        self.kept().uploads.len()
    }

    /// How often this was asked.
    pub fn count(&self, op: Op) -> usize {
        self.kept().calls.iter().filter(|(requested, _)| *requested == op).count()
    }

    /// What was asked, and the status it was answered with.
    pub fn calls(&self) -> Vec<(Op, u16)> {
        self.kept().calls.clone()
    }

    /// Bytes of all bodies.
    pub fn bodies(&self) -> u64 {
        self.kept().bodies
    }

    /// The headers `Authorization` that came.
    pub fn authorization(&self) -> Vec<String> {
        self.kept().authorization.clone()
    }

    /// The most parts that were on their way at once.
    pub fn most_abreast(&self) -> u32 {
        self.kept().most_abreast
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.shared.kept.lock().expect("not poisoned")
    }
}

struct Request {
    op: Op,
    key: String,
    query: HashMap<String, String>,
    headers: HashMap<String, String>,
    body: Vec<u8>,
}

fn serve(stream: &TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut reader = BufReader::with_capacity(16 << 10, stream.try_clone()?);
    let mut writer = stream.try_clone()?;
    loop {
        let Some(request) = read(&mut reader, shared)? else { return Ok(()) };
        let Some((status, head, body)) = answer(shared, &request) else {
            return stream.shutdown(std::net::Shutdown::Both);
        };
        {
            let mut kept = shared.kept.lock().expect("not poisoned");
            kept.calls.push((request.op, status));
        }
        let length = body.len();
        write!(writer, "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n{head}\r\n")?;
        if request.op != Op::Head {
            writer.write_all(&body)?;
        }
        writer.flush()?;
    }
}

fn read(reader: &mut BufReader<TcpStream>, shared: &Shared) -> std::io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let (method, target) = (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim_end().split_once(':') {
            Some((name, value)) => headers.insert(name.to_ascii_lowercase(), value.trim().to_owned()),
            None => break,
        };
    }
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let query: HashMap<_, _> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let key = path.trim_start_matches('/').split_once('/').map_or("", |(_, key)| key);
    let key = percent_encoding::percent_decode_str(key).decode_utf8_lossy().into_owned();
    let has = |name: &str| query.contains_key(name);
    let op = match method.as_str() {
        "PUT" if has("partNumber") => Op::Part,
        "PUT" => Op::Put,
        "POST" if has("uploads") => Op::Create,
        "POST" => Op::Complete,
        "DELETE" if has("uploadId") => Op::Abort,
        "DELETE" => Op::Delete,
        "HEAD" => Op::Head,
        _ => Op::Get,
    };
    let length: usize = headers.get("content-length").and_then(|n| n.parse().ok()).unwrap_or(0);
    let (speed, reset) = {
        let mut policy = shared.policy.lock().expect("not poisoned");
        let reset = op == Op::Part && policy.resets > 0;
        policy.resets -= u32::from(reset);
        (policy.speed, reset)
    };
    {
        let mut kept = shared.kept.lock().expect("not poisoned");
        kept.authorization.extend(headers.get("authorization").cloned());
        kept.abreast += u32::from(op == Op::Part);
        kept.most_abreast = kept.most_abreast.max(kept.abreast);
    }
    let body = read_body(reader, shared, if reset { length / 2 } else { length }, speed);
    shared.kept.lock().expect("not poisoned").abreast -= u32::from(op == Op::Part);
    if reset {
        return Ok(None);
    }
    Ok(Some(Request { op, key, query, headers, body: body? }))
}

fn read_body(
    reader: &mut BufReader<TcpStream>,
    shared: &Shared,
    length: usize,
    speed: Option<u64>,
) -> std::io::Result<Vec<u8>> {
    let mut body = vec![0; length];
    for piece in body.chunks_mut(16 << 10) {
        reader.read_exact(piece)?;
        shared.kept.lock().expect("not poisoned").bodies += piece.len() as u64;
        if let Some(speed) = speed {
            let wait = {
                let mut line = shared.line.lock().expect("not poisoned");
                let now = Instant::now();
                let free =
                    line.map_or(now, |at| at.max(now)) + Duration::from_secs_f64(piece.len() as f64 / speed as f64);
                *line = Some(free);
                free - now
            };
            std::thread::sleep(wait);
        }
    }
    Ok(body)
}

type Answer = (u16, String, Vec<u8>);

fn refusal(status: u16, code: &str, message: &str) -> Answer {
    let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>{message}</Message></Error>");
    (status, "Content-Type: application/xml\r\n".to_owned(), body.into_bytes())
}

/// `None`: the connection ends without one.
fn answer(shared: &Shared, request: &Request) -> Option<Answer> {
    let mut policy = shared.policy.lock().expect("not poisoned");
    if let Some(says) = &policy.says {
        return Some((400, String::new(), says.clone().into_bytes()));
    }
    if policy.skewed {
        let why = "The difference between the request time and the current time is too large.";
        return Some(refusal(403, "RequestTimeTooSkewed", why));
    }
    if let Some(region) = &policy.region
        && !request.headers.get("authorization").is_some_and(|it| it.contains(&format!("/{region}/")))
    {
        let (status, _, body) =
            refusal(301, "PermanentRedirect", "The bucket must be addressed using another endpoint.");
        return Some((status, format!("x-amz-bucket-region: {region}\r\n"), body));
    }
    if policy.busy > 0 {
        policy.busy -= 1;
        let (status, _, body) = refusal(503, "SlowDown", "Please reduce your request rate.");
        return Some((status, "Retry-After: 1\r\n".to_owned(), body));
    }
    if policy.forbidden.contains(&request.op) {
        return Some(refusal(403, "AccessDenied", "Access Denied"));
    }
    if policy.wants_checksum
        && matches!(request.op, Op::Put | Op::Part)
        && let Some(refusal) = checksum(request)
    {
        return Some(refusal);
    }
    let lost = request.op == Op::Complete && policy.lost_answers > 0;
    policy.lost_answers -= u32::from(lost);
    let answer = perform(&mut shared.kept.lock().expect("not poisoned"), &policy, request);
    if lost && answer.0 == 200 { None } else { Some(answer) }
}

fn checksum(Request { headers, body, .. }: &Request) -> Option<Answer> {
    let (md5, sha256) = (headers.get("content-md5"), headers.get("x-amz-checksum-sha256"));
    if md5.is_none() && sha256.is_none() {
        let why = "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters";
        return Some(refusal(400, "InvalidRequest", why));
    }
    let right = md5.is_none_or(|sum| *sum == STANDARD.encode(md5::Md5::digest(body)))
        && sha256.is_none_or(|sum| *sum == STANDARD.encode(digest(&SHA256, body)));
    let signed =
        headers.get("authorization").is_some_and(|it| sha256.is_none() || it.contains("x-amz-checksum-sha256"));
    (!right || !signed).then(|| refusal(400, "BadDigest", "The checksum you specified did not match what we received."))
}

fn perform(kept: &mut Kept, policy: &Policy, request: &Request) -> Answer {
    let Request { op, key, query, body, .. } = request;
    let etag = |bytes: &[u8]| format!("ETag: \"{}\"\r\n", STANDARD.encode(digest(&SHA256, bytes)));
    let upload = query.get("uploadId").cloned().unwrap_or_default();
    match op {
        Op::Put => {
            kept.objects.insert(key.clone(), body.clone());
            (200, etag(body), Vec::new())
        }
        Op::Create => {
            kept.begun += 1;
            let upload = format!("upload-{}", kept.begun);
            kept.uploads.insert(upload.clone(), (key.clone(), BTreeMap::new()));
            let names = format!("<Bucket>films</Bucket><Key>x</Key><UploadId>{upload}</UploadId>");
            let body = format!("<InitiateMultipartUploadResult>{names}</InitiateMultipartUploadResult>");
            (200, String::new(), body.into_bytes())
        }
        Op::Part => {
            let number: u32 = query.get("partNumber").and_then(|n| n.parse().ok()).unwrap_or(0);
            let Some((_, parts)) = kept.uploads.get_mut(&upload) else { return no_upload() };
            if let Some(max) = policy.max_parts.filter(|max| number > *max) {
                let why = format!("Part number must be an integer between 1 and {max}, inclusive");
                return refusal(400, "InvalidArgument", &why);
            }
            parts.insert(number, body.clone());
            (200, etag(body), Vec::new())
        }
        Op::Complete => {
            let Some((key, parts)) = kept.uploads.remove(&upload) else { return no_upload() };
            let lengths: Vec<_> = parts.values().map(Vec::len).collect();
            let unequal = lengths
                .split_last()
                .is_some_and(|(last, others)| others.iter().any(|length| *length != others[0] || last > length));
            if policy.equal_parts && unequal {
                kept.uploads.insert(upload, (key, parts));
                return refusal(400, "InvalidPart", "All non-trailing parts must have the same length.");
            }
            let whole = parts.into_values().collect::<Vec<_>>().concat();
            kept.objects.insert(key, whole);
            let body = "<CompleteMultipartUploadResult><ETag>\"whole\"</ETag></CompleteMultipartUploadResult>";
            (200, String::new(), body.as_bytes().to_vec())
        }
        Op::Abort => match kept.uploads.remove(&upload) {
            Some(_) => (204, String::new(), Vec::new()),
            None => no_upload(),
        },
        Op::Head | Op::Get => match kept.objects.get(key) {
            Some(bytes) => {
                let date = "Last-Modified: Wed, 25 Nov 2026 10:00:00 GMT\r\n";
                let head = format!("{}{date}", etag(bytes));
                match request.headers.get("range").and_then(|range| ranged(range, bytes.len())) {
                    Some(range) => {
                        let place =
                            format!("Content-Range: bytes {}-{}/{}\r\n", range.start, range.end - 1, bytes.len());
                        (206, head + &place, bytes[range].to_vec())
                    }
                    None => (200, head, bytes.clone()),
                }
            }
            None if policy.hides_absence => refusal(403, "AccessDenied", "Access Denied"),
            None => refusal(404, "NoSuchKey", "The specified key does not exist."),
        },
        Op::Delete => {
            kept.objects.remove(key);
            (204, String::new(), Vec::new())
        }
    }
}

fn no_upload() -> Answer {
    refusal(404, "NoSuchUpload", "The specified upload does not exist. The upload ID may be invalid.")
}

/// `bytes=first-last` or `bytes=first-`, as far as there is anything.
fn ranged(range: &str, length: usize) -> Option<std::ops::Range<usize>> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let end = last.parse::<usize>().map_or(length, |last| last.saturating_add(1).min(length));
    let range = first.parse().ok()?..end;
    (!range.is_empty()).then_some(range)
}
