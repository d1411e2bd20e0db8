//! The way of one stream's packets to the server: at once, or later, in the order in which they are due.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use webrtc::rtp::extension::HeaderExtension;
use webrtc::rtp::extension::audio_level_extension::AudioLevelExtension;
use webrtc::rtp::packet::Packet;
use webrtc::track::track_local::track_local_static_rtp::TrackLocalStaticRTP;

/// A packet, and how loud it is if it is sound.
#[derive(Clone)]
pub struct Parcel {
    pub packet: Packet,
    pub level: Option<Level>,
}

/// RFC 6464.
#[derive(Clone, Copy)]
pub struct Level {
    /// −dBov.
    pub level: u8,
    pub voice: bool,
}

/// Where parcels are handed in with the moment they are due.
pub type Line = mpsc::UnboundedSender<(Instant, Parcel)>;

/// Sends each when it is due; those that are due at the same moment in the order they were handed in.
pub fn deliver(
    track: Arc<TrackLocalStaticRTP>,
    mut parcels: mpsc::UnboundedReceiver<(Instant, Parcel)>,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut waiting = BTreeMap::new();
        for nth in 0_u64.. {
            let next = waiting.first_key_value().map(|((due, _), _)| *due);
            let far = Instant::now() + std::time::Duration::from_secs(3600);
            tokio::select! {
                biased;
                parcel = parcels.recv() => match parcel {
                    Some((due, parcel)) => {
                        waiting.insert((due, nth), parcel);
                    }
                    None => return,
                },
                () = sleep_until(next.unwrap_or(far)), if next.is_some() => {
                    if let Some((_, parcel)) = waiting.pop_first() {
                        send(&track, parcel).await;
                    }
                }
            }
        }
    })
}

/// Sends one at once. An error means that the connection is closing; the owner of the track stops us.
pub async fn send(track: &TrackLocalStaticRTP, parcel: Parcel) {
    let level = parcel.level.map(|Level { level, voice }| AudioLevelExtension { level, voice });
    let extensions: Vec<_> = level.map(HeaderExtension::AudioLevel).into_iter().collect();
    let _ = track.write_rtp_with_extensions(&parcel.packet, &extensions).await;
}
