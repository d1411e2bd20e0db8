//! Everybody in the room, and the commands carried out on them.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::{join_all, try_join_all};

use crate::command::Command;
use crate::hostile::{Feat, Guise};
use crate::participant::{Participant, Setting};
use crate::{Failure, fail};

/// The participants who are in the room.
pub struct Stage {
    setting: Arc<Setting>,
    people: BTreeMap<usize, Participant>,
}

impl Stage {
    /// Lets everybody join, and the sharer share.
    pub async fn fill(setting: Arc<Setting>) -> Result<Self, Failure> {
        let joining =
            (0..setting.options.participants).map(|index| Participant::join(index, setting.clone(), Guise::Plain));
        let people = try_join_all(joining).await?.into_iter().enumerate().collect();
        let mut stage = Self { setting, people };
        if !stage.setting.options.no_share && !stage.people.is_empty() {
            stage.set_share(true).await?;
        }
        Ok(stage)
    }

    /// Carries out a command; `false` means that it was the last.
    pub async fn carry_out(&mut self, command: Command) -> Result<bool, Failure> {
        match command {
            Command::Mute { source, muted, who } => self.person(who)?.mute(source, muted).await?,
            Command::Speak(who) => self.setting.floor.give(who),
            Command::Share(on) => self.set_share(on).await?,
            Command::Codec(who, codec) => self.person(who)?.change_codec(codec).await?,
            Command::Join(who) => {
                // One whom the server has removed may come again.
                if self.people.get(&who).is_some_and(|person| !person.gone()) {
                    return Err(fail("already in the room"));
                }
                self.people.insert(who, Participant::join(who, self.setting.clone(), Guise::Plain).await?);
            }
            Command::Leave(who) => {
                self.person(who)?;
                if let Some(person) = self.people.remove(&who) {
                    person.leave().await;
                }
            }
            Command::Act(source, who, act) => self.person(who)?.misbehave(source, &act)?,
            Command::Feat(who, Feat::Name(guise)) => {
                self.person(who)?;
                if let Some(person) = self.people.remove(&who) {
                    person.leave().await;
                }
                self.people.insert(who, Participant::join(who, self.setting.clone(), guise).await?);
            }
            Command::Feat(who, feat) => self.person(who)?.perform(feat).await?,
            Command::Quit => return Ok(false),
        }
        Ok(true)
    }

    /// Whether the server has thrown everybody out, or is gone.
    pub fn deserted(&self) -> bool {
        !self.people.is_empty() && self.people.values().all(Participant::gone)
    }

    /// Everybody leaves.
    pub async fn clear(self) {
        join_all(self.people.into_values().map(Participant::leave)).await;
    }

    async fn set_share(&mut self, on: bool) -> Result<(), Failure> {
        let sharer = self.setting.options.sharer;
        self.person(sharer)?.set_share(on).await
    }

    fn person(&mut self, who: usize) -> Result<&mut Participant, Failure> {
        self.people.get_mut(&who).ok_or_else(|| fail(format!("participant {who} is not in the room")))
    }
}
