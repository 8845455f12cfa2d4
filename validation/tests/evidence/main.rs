//! Evidence as its readers and the supervisor meet it.

mod appending;
mod damage;
mod fixture;
mod resuming;
