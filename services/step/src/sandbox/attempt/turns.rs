//! Steps whose containers come in one after the other.

use tidemill_messages::sandbox::Word;

use super::{Attempt, Phase};
use crate::contain::Identity;
use crate::error::Error;
use crate::sandbox::link::Link;

impl Attempt {
    /// Whether an engine has made what the containers see.
    pub(super) fn is_container(&self) -> bool {
        self.identity == Identity::Container
    }

    /// Whether the step at `position` has to wait for its container, which is then wanted.
    pub(super) fn must_wait(&mut self, position: usize) -> Result<bool, Error> {
        if let Some((_, why)) = self.unplayable.take_if(|(at, _)| *at == position) {
            return Err(Error::task(why));
        }
        let is_built = self.built.iter().any(|(at, _)| *at == position);
        let has_come = self.rooms.as_ref().is_none_or(|rooms| rooms.has_come(position));
        if is_built || has_come {
            return Ok(false);
        }
        self.want(position);
        self.phase = Phase::Turn(position);
        Ok(true)
    }

    /// Has the container of a step started.
    pub(super) fn want(&mut self, position: usize) {
        if self.wanted.is_none_or(|(at, _)| at != position) {
            self.wanted = Some((position, false));
        }
    }

    /// Goes on with the step that waits for its container.
    pub(super) fn take_turn(&mut self) -> Result<(), Error> {
        let Some(rooms) = &mut self.rooms else {
            return Ok(());
        };
        rooms.accept();
        if let Some((position, _)) = self.wanted
            && rooms.has_come(position)
        {
            self.wanted = None;
        }
        let Phase::Turn(position) = self.phase else {
            return Ok(());
        };
        let is_unplayable = self.unplayable.as_ref().is_some_and(|(at, _)| *at == position);
        if rooms.has_come(position) || is_unplayable {
            return self.next_step(position);
        }
        Ok(())
    }

    /// Tells the owner which container it is to start, once.
    pub(super) fn tell_wanted(&mut self, link: &mut Link) -> Result<(), Error> {
        if let Some(word) = self.wanted_word(false)? {
            link.say(&word)?;
        }
        Ok(())
    }

    /// The word for the container that is wanted, unless it was said; to a new owner it is said `again`.
    pub(super) fn wanted_word(&mut self, again: bool) -> Result<Option<Word>, Error> {
        let Some((position, is_told)) = &mut self.wanted else {
            return Ok(None);
        };
        if *is_told && !again {
            return Ok(None);
        }
        *is_told = true;
        let position = *position;
        let container = self.container(position).name.clone();
        Ok(Some(Word::Wanted { container }))
    }

    /// The owner cannot start the container of a step.
    pub(super) fn refuse_container(&mut self, container: &str, message: String) {
        let steps = &self.sandbox.steps;
        if let Some(position) = steps.iter().position(|step| step.container.name == container) {
            self.unplayable = Some((position, message));
        }
    }
}
