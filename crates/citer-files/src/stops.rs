//! Stop ids: the tokens that end an answer, from `generation_config.json` or the older `config.json`.

use crate::error::LoadError;
use citer_core::TokenId;
use serde::Deserialize;

#[derive(Deserialize)]
struct Fields {
    eos_token_id: Option<Ids>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Ids {
    One(TokenId),
    Many(Vec<TokenId>),
}

/// The ids that `eos_token_id` names in the JSON of `file`; none when the field is absent.
pub fn stop_ids(json: &[u8], file: &str) -> Result<Vec<TokenId>, LoadError> {
    let invalid = |e: serde_json::Error| LoadError::Json { file: file.into(), detail: e.to_string() };
    let Fields { eos_token_id } = serde_json::from_slice(json).map_err(invalid)?;
    Ok(match eos_token_id {
        None => Vec::new(),
        Some(Ids::One(id)) => vec![id],
        Some(Ids::Many(ids)) => ids,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_id_several_and_none_are_read() {
        let read = |json: &str| stop_ids(json.as_bytes(), "generation_config.json");
        assert_eq!(read(r#"{"eos_token_id":2,"bos_token_id":1}"#).unwrap(), [2]);
        assert_eq!(read(r#"{"eos_token_id":[128001,128009]}"#).unwrap(), [128_001, 128_009]);
        assert!(read(r#"{"eos_token_id":null}"#).unwrap().is_empty());
        assert!(read(r#"{"eos_token_id":"</s>"}"#).is_err());
    }
}
