//! What is wrong with a matrix, and where.

use std::fmt;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

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
        let (number, line) = lines(text).enumerate().take(place.line).last().unwrap_or_default();
        let line = without_c1(line.strip_prefix('\u{feff}').unwrap_or(line));
        // A parser may point past the end of a line or of the text; what is shown is the end then.
        let column = place.column.min(line.chars().count() + 1);
        let place = Place { line: number + 1, column, ..place };
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
            Some(_) => harmless(message),
            None => harmless(&format!("{file}: {message}")),
        };
        let mut group = Group::with_title(Level::ERROR.primary_title(title));
        if let Some(Excerpt { place, line }) = excerpt {
            let label = label.as_deref().map(harmless);
            let annotation = AnnotationKind::Primary.span(bytes(line, *place)).label(label);
            group = group.element(
                Snippet::source(line.as_str()).path(harmless(file)).line_start(place.line).annotation(annotation),
            );
        }
        if let Some(help) = help {
            group = group.element(Level::HELP.message(harmless(help)));
        }
        renderer.render(&[group])
    }
}

/// The lines of a YAML text, which `\n`, `\r\n` and `\r` end. The last one may be empty.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(end) = text.find(['\n', '\r']) else { return rest.take() };
        let (line, after) = text.split_at(end);
        rest = Some(after.strip_prefix("\r\n").unwrap_or(&after[1..]));
        Some(line)
    })
}

/// Text from the file that no terminal obeys.
fn harmless(text: &str) -> String {
    annotate_snippets::normalize_untrusted_str(&without_c1(text))
}

/// The renderer replaces the control characters below U+0080 and those that turn the direction of writing, but not the
/// second set, of which U+009B begins an escape sequence in many terminals. One for one, so that columns stay.
fn without_c1(text: &str) -> String {
    text.replace(|character| ('\u{80}'..'\u{a0}').contains(&character), "\u{fffd}")
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

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, line: usize, column: usize) -> String {
        Diagnostic::at("a.yaml", text, Place { line, column, characters: 2 }, "wrong").to_string()
    }

    #[test]
    fn lines_end_as_in_yaml() {
        assert_eq!(lines("a\nb\r\nc\rd").collect::<Vec<_>>(), ["a", "b", "c", "d"]);
        assert_eq!(lines("a\n\r\n").collect::<Vec<_>>(), ["a", "", ""]);
        assert_eq!(lines("").collect::<Vec<_>>(), [""]);
    }

    #[test]
    fn columns_count_characters() {
        let shown = at("one: 1\nzwölf: 語語x", 2, 8);
        assert_eq!(shown, "error: wrong\n --> a.yaml:2:8\n  |\n2 | zwölf: 語語x\n  |        ^^^^");
    }

    #[test]
    fn places_past_an_end_are_shown_at_the_end() {
        for (line, column, shown) in [(1, 99, "a.yaml:1:7\n"), (2, 1, "a.yaml:2:1\n"), (9, 9, "a.yaml:2:1\n")] {
            let diagnostic = at("one: 1\n", line, column);
            assert!(diagnostic.contains(shown) && diagnostic.contains('^'), "{diagnostic}");
        }
    }

    #[test]
    fn programs_are_told_where_it_is() {
        let place = Place { line: 9, column: 9, characters: 2 };
        let diagnostic = Diagnostic::at("a.yaml", "one: 1\n", place, "wrong");
        assert_eq!(diagnostic.file(), "a.yaml");
        assert_eq!(diagnostic.place(), Some(Place { line: 2, column: 1, characters: 2 }));
        assert_eq!(Diagnostic::of_file("b.yaml", "gone").place(), None);
    }
}
