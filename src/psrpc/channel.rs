//! Pure. The names of psrpc's Redis channels: parts made safe and joined by `|`, empty ones left out.

use std::fmt::Write as _;

/// Where requests for a method arrive: `Service|Method|topic|REQ`.
pub fn request(service: &str, method: &str, topic: &str) -> String {
    join(&[service, method, topic, "REQ"])
}

/// Where a server bids for a client's request: `Service|client|CLAIM`.
pub fn claim(service: &str, client: &str) -> String {
    join(&[service, client, "CLAIM"])
}

/// Where the client says who won; every bidder hears it: `Service|Method|topic|RCLAIM`.
pub fn grant(service: &str, method: &str, topic: &str) -> String {
    join(&[service, method, topic, "RCLAIM"])
}

/// Where the answer goes: `Service|client|RES`.
pub fn response(service: &str, client: &str) -> String {
    join(&[service, client, "RES"])
}

fn join(parts: &[&str]) -> String {
    let mut name = String::new();
    for part in parts.iter().filter(|part| !part.is_empty()) {
        if !name.is_empty() {
            name.push('|');
        }
        sanitise(&mut name, part);
    }
    name
}

/// Letters, digits and `_` stay; anything else becomes `u+` and four hex digits, beyond U+FFFF `U+` and eight.
fn sanitise(name: &mut String, part: &str) {
    for c in part.chars() {
        let written = match u32::from(c) {
            _ if c.is_ascii_alphanumeric() || c == '_' => {
                name.push(c);
                Ok(())
            }
            code @ ..0x1_0000 => write!(name, "u+{code:04x}"),
            code => write!(name, "U+{code:08x}"),
        };
        written.expect("writing to a String cannot fail");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_go_library() {
        assert_eq!(request("EgressInternal", "StartEgress", ""), "EgressInternal|StartEgress|REQ");
        assert_eq!(request("EgressHandler", "StopEgress", "EG_x"), "EgressHandler|StopEgress|EG_x|REQ");
        assert_eq!(grant("EgressHandler", "StopEgress", "EG_x"), "EgressHandler|StopEgress|EG_x|RCLAIM");
        assert_eq!(claim("IOInfo", "CLI_1"), "IOInfo|CLI_1|CLAIM");
        assert_eq!(response("IOInfo", "CLI_1"), "IOInfo|CLI_1|RES");
    }

    #[test]
    fn no_part_can_forge_another() {
        assert_eq!(request("S", "M", "a|b c-é😀"), "S|M|au+007cbu+0020cu+002du+00e9U+0001f600|REQ");
        assert_eq!(request("S", "M", "\n\0"), "S|M|u+000au+0000|REQ");
    }
}
