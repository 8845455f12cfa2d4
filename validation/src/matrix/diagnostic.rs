//! What is wrong with a matrix, and where.

use std::fmt;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet, normalize_untrusted_str};

use super::Place;

/// One thing that is wrong with a matrix: what, at `file:line:column`, with the source line and a caret under it.
///
/// `Display` is the plain rendering; [`Diagnostic::styled`] has colours for terminals. Text that comes from the file is
/// stripped of control characters in both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic(Box<Parts>);

/// What it says, behind a pointer so that results stay small.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Parts {
    message: String,
    file: String,
    excerpt: Option<Excerpt>,
    label: Option<String>,
    help: Option<String>,
}

/// The line that is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Excerpt {
    place: Place,
    line: String,
}

impl Diagnostic {
    /// A fault at a place of a text.
    pub(crate) fn at(file: &str, text: &str, place: Place, message: impl Into<String>) -> Self {
        // `lines` would end a line at `\n` and `\r\n` only, which is how places are counted too.
        let line = text.lines().nth(place.line - 1).unwrap_or_default();
        let line = line.strip_prefix('\u{feff}').unwrap_or(line).to_owned();
        Self::new(file, Some(Excerpt { place, line }), message)
    }

    /// A fault of a file of which there is nothing to show.
    pub(crate) fn of_file(file: &str, message: impl Into<String>) -> Self {
        Self::new(file, None, message)
    }

    fn new(file: &str, excerpt: Option<Excerpt>, message: impl Into<String>) -> Self {
        Self(Box::new(Parts { message: message.into(), file: file.to_owned(), excerpt, label: None, help: None }))
    }

    /// Adds words beside the caret.
    pub(crate) fn label(mut self, label: impl Into<String>) -> Self {
        self.0.label = Some(label.into());
        self
    }

    /// Adds what to do about it.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    /// What is wrong, in one sentence.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The file's name as it was given.
    pub fn file(&self) -> &str {
        &self.0.file
    }

    /// Where in the file, if there is a file to point into.
    pub fn place(&self) -> Option<Place> {
        self.0.excerpt.as_ref().map(|excerpt| excerpt.place)
    }

    /// The rendering for a terminal, with colours.
    pub fn styled(&self) -> String {
        self.render(&Renderer::styled())
    }

    fn render(&self, renderer: &Renderer) -> String {
        let Parts { message, file, excerpt, label, help } = &*self.0;
        let title = match excerpt {
            Some(_) => normalize_untrusted_str(message),
            None => normalize_untrusted_str(&format!("{file}: {message}")),
        };
        let mut group = Group::with_title(Level::ERROR.primary_title(title));
        if let Some(Excerpt { place, line }) = excerpt {
            let label = label.as_deref().map(normalize_untrusted_str);
            let annotation = AnnotationKind::Primary.span(bytes(line, *place)).label(label);
            group = group.element(
                Snippet::source(line.as_str())
                    .path(normalize_untrusted_str(file))
                    .line_start(place.line)
                    .annotation(annotation),
            );
        }
        if let Some(help) = help {
            group = group.element(Level::HELP.message(normalize_untrusted_str(help)));
        }
        renderer.render(&[group])
    }
}

/// The bytes of `line` that `place` means.
fn bytes(line: &str, place: Place) -> std::ops::Range<usize> {
    let offset = |characters: usize| line.char_indices().nth(characters).map_or(line.len(), |(offset, _)| offset);
    let start = offset(place.column - 1);
    start..offset(place.column - 1 + place.characters).max(start)
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.render(&Renderer::plain()))
    }
}

impl std::error::Error for Diagnostic {}
