//! The validation framework.
