//! Evidence as its readers and the supervisor meet it.

mod appending;
mod damage;
mod environment;
mod fixture;
mod junit;
mod resuming;
