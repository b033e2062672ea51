//! Chat templates: the Jinja text in `tokenizer_config.json` that turns a conversation into the prompt a model was
//! trained on.
//!
//! Rendered as `apply_chat_template` of Hugging Face transformers does: blocks are trimmed, Python's string methods and
//! `raise_exception` exist. No tools and no date are passed.

use crate::error::LoadError;
use citer_core::message::{Role, Turn};
use minijinja::{Environment, Error, ErrorKind, Value, context, syntax::SyntaxConfig};
use serde_json::Value as Json;

/// Steps that a template may take, so that a hostile one ends; one pays for 64 bytes of text, so no text is longer than 32 MB.
const FUEL: u64 = 500_000;
/// A system prompt to try a template with.
const PROBE: &str = "Answer-briefly.";
/// Name under which the environment keeps its one template.
const NAME: &str = "chat_template";

/// A chat template with the special tokens that it may write.
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    bos: String,
    eos: String,
}

/// What `tokenizer_config.json` says about special tokens and the chat template.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenizerConfig {
    /// The template, if there is one.
    pub chat_template: Option<String>,
    /// Text of the token that begins a sequence; empty without one.
    pub bos_token: String,
    /// Text of the token that ends a turn; empty without one.
    pub eos_token: String,
}

fn broken(error: &Error) -> LoadError {
    // What a template says with raise_exception is the error's detail alone.
    LoadError::Template(error.detail().map_or_else(|| error.to_string(), str::to_owned))
}

impl TokenizerConfig {
    /// Reads a `tokenizer_config.json`. Of several named templates the one called `default` counts.
    pub fn from_json(json: &[u8]) -> Result<Self, LoadError> {
        let invalid =
            |e: serde_json::Error| LoadError::Json { file: "tokenizer_config.json".into(), detail: e.to_string() };
        let fields: Json = serde_json::from_slice(json).map_err(invalid)?;
        // A token is its text, or an object with the text among settings.
        let token = |name: &str| {
            let token = &fields[name];
            token.as_str().or_else(|| token["content"].as_str()).unwrap_or_default().to_owned()
        };
        let chat_template = match &fields["chat_template"] {
            Json::String(source) => Some(source.clone()),
            Json::Array(named) => {
                let default = named.iter().find(|entry| entry["name"] == "default");
                default.and_then(|entry| entry["template"].as_str()).map(str::to_owned)
            }
            _ => None,
        };
        Ok(Self { chat_template, bos_token: token("bos_token"), eos_token: token("eos_token") })
    }

    /// The template, compiled.
    pub fn template(&self) -> Result<Option<ChatTemplate>, LoadError> {
        let compile = |source: &String| ChatTemplate::new(source, &self.bos_token, &self.eos_token);
        self.chat_template.as_ref().map(compile).transpose()
    }
}

impl ChatTemplate {
    /// Compiles `source`; `bos` and `eos` are the special tokens' text.
    pub fn new(source: &str, bos: &str, eos: &str) -> Result<Self, LoadError> {
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.map_err(|e| broken(&e))?);
        environment.set_fuel(Some(FUEL));
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function("raise_exception", |message: String| {
            Err::<Value, Error>(Error::new(ErrorKind::InvalidOperation, message))
        });
        environment.add_template_owned(NAME, source.to_owned()).map_err(|e| broken(&e))?;
        Ok(Self { environment, bos: bos.into(), eos: eos.into() })
    }

    /// Whether it writes a system prompt: some refuse it and some leave it out.
    pub fn takes_system(&self) -> bool {
        let turn = |role, content: &str| Turn { role, content: content.into() };
        let written = self.render(&[turn(Role::System, PROBE), turn(Role::User, "?")]);
        written.is_ok_and(|text| text.contains(PROBE))
    }

    /// The prompt's text for a conversation, ending where the assistant's next turn begins. Special tokens stand in it
    /// as their text.
    pub fn render(&self, turns: &[Turn]) -> Result<String, LoadError> {
        let message = |turn: &Turn| {
            let role = match turn.role {
                Role::System => "system",
                Role::User => "user",
                Role::Assistant => "assistant",
            };
            context! { role => role, content => turn.content.as_str() }
        };
        let values = context! {
            messages => turns.iter().map(message).collect::<Vec<Value>>(),
            add_generation_prompt => true,
            bos_token => self.bos.as_str(),
            eos_token => self.eos.as_str(),
        };
        self.environment.get_template(NAME).and_then(|template| template.render(values)).map_err(|e| broken(&e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(texts: &[&str]) -> Vec<Turn> {
        let roles = [Role::User, Role::Assistant].into_iter().cycle();
        texts.iter().zip(roles).map(|(text, role)| Turn { role, content: (*text).into() }).collect()
    }

    fn render(source: &str, texts: &[&str]) -> Result<String, LoadError> {
        ChatTemplate::new(source, "<s>", "</s>")?.render(&turns(texts))
    }

    #[test]
    fn a_chatml_template_writes_what_transformers_writes() {
        let source = "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}\
            {{ '<|im_start|>system\\nYou help.<|im_end|>\\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\\n' + \
            message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}{% if add_generation_prompt %}\
            {{ '<|im_start|>assistant\\n' }}{% endif %}";
        let text = "<|im_start|>system\nYou help.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n";
        assert_eq!(render(source, &["Hi"]).unwrap(), text);
    }

    #[test]
    fn a_template_that_wants_much_memory_is_refused() {
        assert!(render("{{ 'a'|indent(83984877, true) }}", &["Hi"]).is_err());
        let long = "word ".repeat(200_000);
        assert_eq!(render("{{ messages[0]['content'] }}", &[&long]).unwrap(), long);
    }

    #[test]
    fn python_methods_slices_and_trimmed_blocks_work() {
        let source = "
            {%- set ns = namespace(last=none) %}
            {%- for message in messages[::-1] %}
                {%- if ns.last is none and message.role == 'user' %}{% set ns.last = message.content %}{% endif %}
            {%- endfor %}
            {%- if tools is defined and tools %}{{ tools | tojson }}{% endif %}
            {{- bos_token + ns.last.split('</think>')[-1].lstrip('\\n').strip() }}
            {% if true %}
x
            {% endif %}";
        assert_eq!(render(source, &["a", "b", "t</think>\n c "]).unwrap(), "<s>c\nx\n");
    }

    #[test]
    fn a_template_that_refuses_or_never_ends_is_an_error() {
        let refused = render("{{ raise_exception('roles must alternate') }}", &["a"]).unwrap_err();
        assert_eq!(refused, LoadError::Template("roles must alternate".into()));
        assert!(matches!(ChatTemplate::new("{% if %}", "", ""), Err(LoadError::Template(_))));
        let endless = "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}";
        assert!(matches!(render(endless, &["a"]), Err(LoadError::Template(_))));
    }

    #[test]
    fn templates_and_tokens_are_found_in_all_their_forms() {
        let read = |json: &str| TokenizerConfig::from_json(json.as_bytes()).unwrap();
        let plain = read(r#"{"chat_template":"x","bos_token":null,"eos_token":{"content":"</s>","lstrip":false}}"#);
        assert_eq!(
            plain,
            TokenizerConfig { chat_template: Some("x".into()), bos_token: "".into(), eos_token: "</s>".into() }
        );
        let named = r#"{"chat_template":[{"name":"tool_use","template":"a"},{"name":"default","template":"b"}]}"#;
        assert_eq!(read(named).chat_template.as_deref(), Some("b"));
        assert!(TokenizerConfig::from_json(b"{").is_err());
    }
}
