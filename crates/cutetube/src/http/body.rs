//! The JSON body of a request to `/api/v5`.

use axum::{
    Json,
    extract::{FromRequest, Request},
    http::StatusCode,
};
use catalog::names::FieldErrors;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Problem, nul::NO_NUL};

/// What the body says, or why it says nothing that is wanted.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let Json(body): Json<Value> = Json::from_request(request, state).await?;
        read(body).map(Self)
    }
}

fn read<T: DeserializeOwned>(body: Value) -> Result<T, Problem> {
    let errors = fields_with_nul(&body);
    if !errors.is_empty() {
        return Err(Problem::invalid(&errors));
    }
    serde_path_to_error::deserialize(body).map_err(|error| {
        let place = error.path().to_string();
        let fault = error.into_inner();
        let problem = |said| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, said);
        match place.as_str() {
            "." => problem(format!("The body is not what is wanted here: {fault}.")),
            _ => problem(format!("The body is not what is wanted here: `{place}`: {fault}.")).field(place),
        }
    })
}

/// By the names of the outermost members.
fn fields_with_nul(body: &Value) -> FieldErrors {
    let mut errors = FieldErrors::default();
    for (name, value) in body.as_object().into_iter().flatten() {
        if has_nul(value) {
            errors.add(name, NO_NUL);
        }
    }
    errors
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(values) => values.iter().any(has_nul),
        Value::Object(members) => members.iter().any(|(name, value)| name.contains('\0') || has_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        #[expect(dead_code, reason = "only what is wrong with it is of interest")]
        name: String,
    }

    fn check(body: Value) -> String {
        let problem = read::<Sample>(body).unwrap_err();
        let said = serde_json::to_value(&problem).unwrap();
        let fields = said.get("errors").and_then(Value::as_array).cloned().unwrap_or_default();
        let names: Vec<_> = fields.iter().map(|field| field["field"].to_string()).collect();
        format!("{} {} {}", said["status"], said["detail"], names.join(" ")).trim_end().to_owned()
    }

    #[test]
    fn each_fault_has_its_sentence() {
        let said = [
            check(json!({"name": "a\0"})),
            check(json!({"name": "a", "tags": ["b", ["\0"]], "more": {"\0": 1}, "fine": "c"})),
            check(json!({"name": 1})),
            check(json!({"name": "a", "other": 1})),
            check(json!({})),
            check(json!("\0")),
        ];
        insta::assert_snapshot!(said.join("\n"), @r#"
        422 "Some fields are refused; `errors` says why." "name"
        422 "Some fields are refused; `errors` says why." "more" "tags"
        422 "The body is not what is wanted here: `name`: invalid type: integer `1`, expected a string." "name"
        422 "The body is not what is wanted here: `other`: unknown field `other`, expected `name`." "other"
        422 "The body is not what is wanted here: missing field `name`."
        422 "The body is not what is wanted here: invalid type: string \"\\0\", expected struct Sample."
        "#);
    }
}
