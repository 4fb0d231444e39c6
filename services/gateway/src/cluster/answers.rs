//! Answers that hold for a while.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

/// Most answers of one sort that are remembered.
const MAX_ANSWERS: usize = 8_192;

/// Answers by question. What is not remembered is only asked again.
pub(super) struct Answers<Question, Answer> {
    age: Duration,
    known: Mutex<HashMap<Question, (Answer, Instant)>>,
}

impl<Question: Hash + Eq, Answer: Clone> Answers<Question, Answer> {
    /// Remembers each for `age`.
    pub(super) fn new(age: Duration) -> Self {
        Self {
            age,
            known: Mutex::default(),
        }
    }

    pub(super) fn get(&self, question: &Question) -> Option<Answer> {
        let known = self.known.lock().ok()?;
        let (answer, until) = known.get(question)?;
        (Instant::now() < *until).then(|| answer.clone())
    }

    pub(super) fn put(&self, question: Question, answer: Answer) {
        let Ok(mut known) = self.known.lock() else { return };
        let now = Instant::now();
        if known.len() >= MAX_ANSWERS {
            known.retain(|_, (_, until)| now < *until);
        }
        if known.len() >= MAX_ANSWERS {
            known.clear();
        }
        known.insert(question, (answer, now + self.age));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn answers_are_forgotten_in_time_and_when_there_are_too_many() {
        let answers = Answers::new(Duration::from_secs(10));
        answers.put(0, "a");
        tokio::time::advance(Duration::from_secs(9)).await;
        assert_eq!(answers.get(&0), Some("a"));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(answers.get(&0), None);
        for number in 1..=MAX_ANSWERS * 3 {
            answers.put(number, "b");
        }
        assert_eq!(answers.get(&(MAX_ANSWERS * 3)), Some("b"));
        assert!(answers.known.lock().unwrap().len() <= MAX_ANSWERS);
    }
}
