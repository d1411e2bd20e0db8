//! Whatever requests and grants come in whatever order: no work without our grant, before it, twice or after expiry.
#![no_main]

// The pure files alone: a fuzzer need not build the whole of Greffier.
#[allow(dead_code, reason = "a part of it is fuzzed")]
#[path = "../../src/psrpc/claim.rs"]
mod claim;
#[allow(dead_code, reason = "a part of it is fuzzed")]
#[path = "../../src/psrpc/frame.rs"]
mod frame;
#[allow(dead_code, reason = "a part of it is fuzzed")]
#[path = "../../src/psrpc/gzip.rs"]
mod gzip;

use std::collections::HashSet;

use claim::{Chosen, ClaimStep, Claims, Reading};
use frame::{ClaimResponse, RequestFrame};
use libfuzzer_sys::fuzz_target;

const SERVERS: [&str; 2] = ["SRV_us", "SRV_other"];

fuzz_target!(|moves: Vec<(bool, u8, u8, u8)>| {
    let mut claims = Claims::new(SERVERS[0]);
    let (mut now, mut bid, mut worked) = (0_i64, HashSet::new(), HashSet::new());
    for (asks, id, more, step) in moves {
        now += i64::from(step);
        let request_id = id.to_string();
        if asks {
            let expiry = now + i64::from(more) - 8;
            let request = RequestFrame {
                request_id: request_id.clone(),
                client_id: "CLI_x".into(),
                expiry,
                ..RequestFrame::default()
            };
            match claims.request(request, now, |_| Reading::Bid(1.0, ())) {
                ClaimStep::Bid { .. } => {
                    assert!(now < expiry);
                    bid.insert(request_id.clone());
                    // Once it has expired, the same id may be used again.
                    worked.remove(&request_id);
                }
                ClaimStep::Drop(_) => {}
                ClaimStep::Run(..) | ClaimStep::Malformed(_) => panic!("nobody said so"),
            }
        } else {
            let server_id = SERVERS[usize::from(more % 2)];
            let grant = ClaimResponse { request_id: request_id.clone(), server_id: server_id.into() };
            match claims.grant(&grant, now) {
                Some(Chosen::Us(request, ())) => {
                    assert_eq!(server_id, SERVERS[0]);
                    assert!(now < request.expiry && bid.contains(&request_id) && worked.insert(request_id));
                }
                Some(Chosen::Another(())) => assert!(server_id == SERVERS[1] && bid.contains(&request_id)),
                None => {}
            }
        }
    }
});
