//! What a new account has to look like.

use catalog::names::{Email, FieldErrors, PersonName, Username};

use super::{
    code::Code,
    password_rules::{parse_password, repeats},
};
use crate::http::Fields;

/// A sign-up whose every field keeps the rules; whether the names are free, the catalogue knows.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SignUp {
    pub(crate) username: Username,
    pub(crate) email: Email,
    pub(crate) password: String,
    pub(crate) first_name: PersonName,
    pub(crate) last_name: PersonName,
    /// What a server asks for where not everybody may have an account.
    pub(crate) invite: Option<Code>,
}

/// For what no single field is to blame for.
pub(crate) const GENERAL: &str = "non_field_errors";

/// About a password that everybody can see.
pub(super) const SAYS_WHO: &str = "The password is the user name or the address. Choose another one.";

impl SignUp {
    /// Reads the form, or says everything that is wrong with it at once.
    pub(crate) fn parse(fields: &Fields) -> Result<Self, FieldErrors> {
        let mut errors = FieldErrors::default();
        let username =
            errors.keep("username", fields.text("username").and_then(|typed| Username::parse(&typed)));
        let email = errors.keep("email", fields.text("email").and_then(|typed| Email::parse(&typed)));
        let first =
            errors.keep("first_name", fields.text("first_name").and_then(|typed| PersonName::parse(&typed)));
        let last =
            errors.keep("last_name", fields.text("last_name").and_then(|typed| PersonName::parse(&typed)));
        let password =
            errors.keep("password", fields.text("password").and_then(|typed| parse_password(&typed)));
        let repeated = errors.keep("password2", fields.text("password2"));
        if password.is_some() && repeated.is_some() && password != repeated {
            errors.add(GENERAL, "Password does not match!");
        }
        if let (Some(username), Some(email), Some(password)) = (&username, &email, &password)
            && repeats(password, username.as_str(), email.as_str())
        {
            errors.add("password", SAYS_WHO);
        }
        let invite = fields.text("invite").ok().and_then(|typed| Code::typed(&typed));
        match (username, email, password, first, last) {
            (Some(username), Some(email), Some(password), Some(first_name), Some(last_name))
                if errors.is_empty() =>
            {
                Ok(Self { username, email, password, first_name, last_name, invite })
            }
            _ => Err(errors),
        }
    }
}

impl std::fmt::Debug for SignUp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SignUp").field("username", &self.username.as_str()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(changes: &[(&str, &str)]) -> String {
        let mut form = serde_json::json!({
            "username": "ada", "email": "ada@example.org", "password": "correct horse",
            "password2": "correct horse", "first_name": "Ada", "last_name": "Lovelace",
        });
        for (name, value) in changes {
            form[*name] = (*value).into();
        }
        match SignUp::parse(&Fields::from_json(&form)) {
            Ok(form) => format!("{} {}", form.username, form.email),
            Err(errors) => json(&errors),
        }
    }

    #[test]
    fn a_form_is_read_or_every_fault_is_named() {
        let said = [
            check(&[]),
            check(&[("username", "sixteen-letters.")]),
            check(&[("username", "аda")]),
            check(&[("username", "a@b")]),
            check(&[("email", "nobody")]),
            check(&[("password", "short"), ("password2", "short")]),
            check(&[("password", &"x".repeat(129))]),
            check(&[("password", "Ada@example.org"), ("password2", "Ada@example.org")]),
            check(&[("password", "12345678"), ("password2", "12345678")]),
            check(&[("password2", "correct house")]),
            check(&[("username", ""), ("email", ""), ("password", ""), ("first_name", " ")]),
            SignUp::parse(&Fields::from_json(&serde_json::json!({})))
                .map_or_else(|errors| json(&errors), |_| String::new()),
        ];
        insta::assert_snapshot!(said.join("\n"), @r#"
        ada ada@example.org
        {"username":["Ensure this field has no more than 15 characters."]}
        {"username":["Enter a valid username. It may contain only letters, numbers and . + - _ characters."]}
        {"username":["Enter a valid username. It may contain only letters, numbers and . + - _ characters."]}
        {"email":["Enter a valid email address."]}
        {"password":["Password must be at least 8 characters."]}
        {"password":["Password must be within 128 characters."]}
        {"password":["The password is the user name or the address. Choose another one."]}
        {"password":["This password is one of those that are tried first. Choose another one."]}
        {"non_field_errors":["Password does not match!"]}
        {"email":["This field may not be blank."],"first_name":["This field may not be blank."],"password":["This field may not be blank."],"username":["This field may not be blank."]}
        {"email":["This field is required."],"first_name":["This field is required."],"last_name":["This field is required."],"password":["This field is required."],"password2":["This field is required."],"username":["This field is required."]}
        "#);
    }

    fn json(errors: &FieldErrors) -> String {
        serde_json::to_string(errors).unwrap()
    }
}
