//! The theme: as the system says, light, or dark.

use crate::{storage, strings};
use leptos::prelude::*;

/// Which colours to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    /// What the system prefers.
    #[default]
    System,
    Light,
    Dark,
}

impl Theme {
    fn name(self) -> &'static str {
        match self {
            Self::System => "",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    fn next(self) -> Self {
        match self {
            Self::System => Self::Light,
            Self::Light => Self::Dark,
            Self::Dark => Self::System,
        }
    }

    fn icon(self) -> &'static str {
        match self {
            Self::System => "◐",
            Self::Light => "☀",
            Self::Dark => "☾",
        }
    }
}

/// The theme chosen earlier.
pub fn saved() -> Theme {
    match storage::get(storage::THEME).as_deref() {
        Some("light") => Theme::Light,
        Some("dark") => Theme::Dark,
        _ => Theme::System,
    }
}

/// Shows the page in `theme`.
pub fn apply(theme: Theme) {
    if let Some(root) = document().document_element() {
        // The attribute's name is valid, so this cannot fail.
        let _ = root.set_attribute("data-theme", theme.name());
    }
}

/// The button that goes through the themes.
#[component]
pub fn ThemeButton() -> impl IntoView {
    let theme = RwSignal::new(saved());
    let turn = move |_| {
        theme.update(|theme| *theme = theme.next());
        storage::set(storage::THEME, theme.get_untracked().name());
        apply(theme.get_untracked());
    };
    let label = move || match theme.get() {
        Theme::System => strings::THEME_SYSTEM,
        Theme::Light => strings::THEME_LIGHT,
        Theme::Dark => strings::THEME_DARK,
    };
    view! {
        <button type="button" class="button icon" id="theme" aria-label=label title=label on:click=turn>
            <span aria-hidden="true">{move || theme.get().icon()}</span>
            <span class="folded-words">{label}</span>
        </button>
    }
}
