//! Standard output, which may be gone.

use std::{fmt::Display, io::Write};

/// Prints a line, with colours where they are wanted.
///
/// A reader that closed the pipe, such as `head`, has seen enough: the cells go on, and their evidence is complete
/// without it.
pub(crate) fn print_line(line: impl Display) {
    let _ = writeln!(anstream::stdout(), "{line}");
}
