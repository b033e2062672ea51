//! Spending: budgets as flags, and what was spent today in a file.

use crate::Failure;
use citer_core::{Budget, Day, Limits, Prices, Settings, Spent};
use citer_train::{TrainError, store::write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Limits and prices.
#[derive(clap::Args, Clone)]
pub struct Spending {
    /// Limits of an answer, such as calls=20,tokens=5000,bytes=100000,usd=0.01,share=0.2.
    #[arg(long, value_parser = budget, value_name = "LIMITS")]
    answer_budget: Option<Budget>,
    /// Limits of the conversation.
    #[arg(long, value_parser = budget, value_name = "LIMITS")]
    chat_budget: Option<Budget>,
    /// Limits of the day (UTC), over all conversations that keep the same file.
    #[arg(long, value_parser = budget, value_name = "LIMITS")]
    day_budget: Option<Budget>,
    /// File that keeps what was spent today.
    #[arg(long, default_value = "runs/spent.json")]
    spent: PathBuf,
    /// US dollars per million prompt tokens.
    #[arg(long, default_value_t = 0.0)]
    prompt_price: f64,
    /// US dollars per million prompt tokens found in the server's prefix cache.
    #[arg(long, default_value_t = 0.0)]
    cached_price: f64,
    /// US dollars per million tokens made.
    #[arg(long, default_value_t = 0.0)]
    output_price: f64,
}

/// Reads limits written as name=value, separated by commas.
fn budget(text: &str) -> Result<Budget, String> {
    let mut budget = Budget::default();
    for limit in text.split(',').map(str::trim).filter(|limit| !limit.is_empty()) {
        let (name, value) = limit.split_once('=').ok_or_else(|| format!("{limit}: write it as name=value"))?;
        let count = || value.parse::<u64>().map(Some).map_err(|_| format!("{limit}: {value} is not a whole number"));
        let number = || match value.parse::<f64>() {
            Ok(number) if number.is_finite() && number >= 0.0 => Ok(Some(number)),
            _ => Err(format!("{limit}: {value} is not a number")),
        };
        match name.trim() {
            "share" => budget.share = number()?.map(|share| share as f32),
            "calls" => budget.calls = count()?,
            "tokens" => budget.tokens = count()?,
            "bytes" => budget.bytes = count()?,
            "usd" => budget.usd = number()?,
            other => return Err(format!("{other}: limits are share, calls, tokens, bytes and usd")),
        }
    }
    Ok(budget)
}

/// What was spent so far, in this conversation and today.
pub struct Account {
    path: PathBuf,
    conversation: Spent,
    today: Day,
}

impl Spending {
    /// The price table.
    pub fn prices(&self) -> Prices {
        Prices { prompt: self.prompt_price, cached: self.cached_price, output: self.output_price }
    }

    /// What was spent before.
    pub fn account(&self) -> Result<Account, Failure> {
        let today = read(&self.spent)?;
        Ok(Account { path: self.spent.clone(), conversation: Spent::default(), today })
    }

    /// The settings with these limits.
    pub fn limit(&self, account: &Account, settings: Settings) -> Settings {
        let budget = |limits: &Option<Budget>| limits.clone().unwrap_or_default();
        let limits = Limits {
            target_share: settings.target_share,
            answer: budget(&self.answer_budget),
            conversation: budget(&self.chat_budget),
            day: budget(&self.day_budget),
        };
        let settings = Settings { prices: self.prices(), ..settings };
        limits.apply(settings, account.conversation.clone(), account.today.spent(now()))
    }
}

impl Account {
    /// Counts an answer, and keeps the day's sum on disk.
    pub fn add(&mut self, answer: &Spent) -> Result<(), Failure> {
        self.conversation = self.conversation.plus(answer);
        // Another conversation may have spent as well, or the day may be over.
        self.today = read(&self.path)?;
        self.today.add(answer, now());
        if answer.calls == 0 {
            return Ok(());
        }
        let today = serde_json::to_vec(&self.today)?;
        let made = self.path.parent().map_or(Ok(()), std::fs::create_dir_all).map_err(TrainError::io(&self.path));
        Ok(made.and_then(|()| write(&self.path, &today)).map_err(|e| format!("{e}; what was spent cannot be kept"))?)
    }

    /// A new conversation begins.
    pub fn begin_conversation(&mut self) {
        self.conversation = Spent::default();
    }

    /// What the conversation has cost.
    pub fn conversation(&self) -> &Spent {
        &self.conversation
    }
}

fn read(path: &Path) -> Result<Day, Failure> {
    match std::fs::read(path) {
        Ok(json) => {
            let wrong = |e| format!("{}: {e}; remove the file to count from zero", path.display());
            Ok(serde_json::from_slice(&json).map_err(wrong)?)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Day::default()),
        Err(error) => Err(format!("{}: {error}", path.display()).into()),
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_by_name_and_nonsense_is_refused() {
        let read = budget("calls=3, usd=0.5,share=0.2").unwrap();
        assert_eq!(read, Budget { calls: Some(3), usd: Some(0.5), share: Some(0.2), ..Budget::default() });
        assert_eq!(budget(""), Ok(Budget::default()));
        for wrong in ["calls", "calls=x", "calls=-1", "usd=nan", "price=3", "share=-1"] {
            assert!(budget(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_day_is_kept_over_conversations_and_ends() {
        let path = std::env::temp_dir().join(format!("citer-spent-{}", std::process::id())).join("spent.json");
        let open = || Account { path: path.clone(), conversation: Spent::default(), today: read(&path).unwrap() };
        let spent = Spent { calls: 2, bytes_sent: 10, ..Spent::default() };
        open().add(&spent).unwrap();
        let mut second = open();
        second.add(&spent).unwrap();
        assert_eq!(
            (second.conversation().calls, second.today.spent(now()).calls, open().today.spent(now()).calls),
            (2, 4, 4)
        );
        let mut old = Day::default();
        old.add(&spent, now() - 86_400);
        std::fs::write(&path, serde_json::to_vec(&old).unwrap()).unwrap();
        assert_eq!(open().today.spent(now()), Spent::default());
        std::fs::write(&path, "?").unwrap();
        assert!(read(&path).is_err());
        std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }
}
