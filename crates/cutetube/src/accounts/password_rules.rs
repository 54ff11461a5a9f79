//! What a password has to be.

use std::sync::LazyLock;

use catalog::names::Refusal;

const SHORTEST: usize = 8;
const LONGEST: usize = 128;

/// Lines that begin with `#:` say where the others come from.
const LIST: &str = include_str!("common-passwords.txt");

static COMMON: LazyLock<Vec<&str>> =
    LazyLock::new(|| LIST.lines().filter(|line| !line.starts_with("#:")).collect());

/// What a password has to be, wherever it is set: 8 to 128 characters, and none of those that are tried first.
pub(crate) fn parse_password(typed: &str) -> Result<String, Refusal> {
    let refuse = |sentence: String| Err(Refusal(sentence));
    match typed.chars().count() {
        0 => refuse("This field may not be blank.".to_owned()),
        1..SHORTEST => refuse(format!("Password must be at least {SHORTEST} characters.")),
        SHORTEST..=LONGEST if is_common(typed) => {
            refuse("This password is one of those that are tried first. Choose another one.".to_owned())
        }
        SHORTEST..=LONGEST => Ok(typed.to_owned()),
        _ => refuse(format!("Password must be within {LONGEST} characters.")),
    }
}

/// Whether a password says no more than what everybody can see of its owner.
pub(crate) fn repeats(password: &str, username: &str, email: &str) -> bool {
    let password = password.to_lowercase();
    let local = email.split('@').next().unwrap_or_default();
    [username, email, local].iter().any(|known| known.to_lowercase() == password)
}

fn is_common(password: &str) -> bool {
    COMMON.binary_search(&password.to_lowercase().as_str()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_and_of_passwords_that_are_long_enough() {
        assert!(COMMON.is_sorted() && COMMON.len() > 5000, "{}", COMMON.len());
        for password in COMMON.iter() {
            assert!(
                password.chars().count() >= SHORTEST && password.to_lowercase() == **password,
                "{password}"
            );
        }
    }

    #[test]
    fn what_is_tried_first_is_refused() {
        for password in ["password", "PassWord1", "12345678", "iloveyou2", "qwertyuiop"] {
            assert!(parse_password(password).is_err(), "{password}");
        }
        for password in ["correct horse", "#: The most", "ünïcödé!", &"x".repeat(LONGEST)] {
            assert_eq!(parse_password(password).as_deref(), Ok(password));
        }
    }

    #[test]
    fn a_password_is_not_ones_name() {
        assert!(repeats("Ada.Lovelace", "ada.lovelace", "ada@example.org"));
        assert!(repeats("ada@example.org", "ada", "Ada@example.org"));
        assert!(repeats("countess", "ada", "countess@example.org"));
        assert!(!repeats("countess 1815", "ada", "countess@example.org"));
    }
}
