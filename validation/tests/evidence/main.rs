//! Evidence as its readers and the supervisor meet it.

mod appending;
mod damage;
mod documents;
mod environment;
mod junit;
mod resuming;
