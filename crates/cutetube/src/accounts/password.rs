//! Argon2id, a bounded number of hashes at a time.

use std::sync::Arc;

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use tokio::sync::Semaphore;

/// Hashes and checks passwords. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Passwords {
    /// A hash takes 19 MiB: as many callers as like may come, so many are served at once.
    slots: Arc<Semaphore>,
    /// What is checked when there is no account, so that the answer takes as long.
    decoy: Arc<str>,
}

/// Hashing failed; not the password's fault.
#[derive(Debug, thiserror::Error)]
#[error("a password could not be hashed")]
pub(crate) struct HashError(#[from] argon2::password_hash::Error);

impl Passwords {
    /// At most `concurrent` hashes at a time.
    pub(crate) fn new(concurrent: usize) -> Result<Self, HashError> {
        let decoy = hash("the password of nobody")?;
        Ok(Self { slots: Arc::new(Semaphore::new(concurrent)), decoy: decoy.into() })
    }

    /// The PHC string to keep for `password`.
    pub(crate) async fn hash(&self, password: String) -> Result<String, HashError> {
        self.off_thread(move || hash(&password)).await
    }

    /// Whether `password` is the one behind `kept`; never for `None`, in the same time.
    pub(crate) async fn matches(&self, password: String, kept: Option<String>) -> bool {
        let exists = kept.is_some();
        let kept = kept.unwrap_or_else(|| self.decoy.to_string());
        let same = self.off_thread(move || verify(&password, &kept)).await;
        same && exists
    }

    async fn off_thread<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let slot = self.slots.clone().acquire_owned().await.expect("the semaphore is never closed");
        // The slot goes along: a caller who hangs up does not make room for another hash.
        let task = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(slot);
            done
        });
        task.await.expect("hashing does not panic and is not cancelled")
    }
}

fn hash(password: &str) -> Result<String, HashError> {
    Ok(Argon2::default().hash_password(password.as_bytes())?.to_string())
}

fn verify(password: &str, kept: &str) -> bool {
    PasswordHash::new(kept)
        .is_ok_and(|kept| Argon2::default().verify_password(password.as_bytes(), &kept).is_ok())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_more_passwords_are_hashed_at_once_than_there_are_slots() {
        let passwords = Passwords::new(2).unwrap();
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let (now, most) = (Arc::new(now), Arc::new(most));
        let hashing = (0..20).map(|_| {
            let (now, most) = (now.clone(), most.clone());
            passwords.off_thread(move || {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                let hashed = hash("correct horse").is_ok();
                now.fetch_sub(1, Ordering::SeqCst);
                hashed
            })
        });
        assert!(futures_util::future::join_all(hashing).await.into_iter().all(|hashed| hashed));
        assert!(most.load(Ordering::SeqCst) <= 2);
    }

    #[tokio::test]
    async fn only_the_right_password_of_an_account_matches() {
        let passwords = Passwords::new(1).unwrap();
        let kept = passwords.hash("correct horse".to_owned()).await.unwrap();
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
        assert!(passwords.matches("correct horse".to_owned(), Some(kept.clone())).await);
        assert!(!passwords.matches("Correct horse".to_owned(), Some(kept.clone())).await);
        assert!(!passwords.matches("the password of nobody".to_owned(), None).await);
        assert!(!passwords.matches("x".to_owned(), Some("not a hash".to_owned())).await);
        assert_ne!(kept, passwords.hash("correct horse".to_owned()).await.unwrap(), "salts differ");
    }
}
