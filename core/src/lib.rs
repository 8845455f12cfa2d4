//! RoboCache's operators: one definition, and the same bits on the CPU and on every GPU.
//!
//! Values come first ([`dtype`], [`shape`], [`tensor`]), then the seeds and names from which inputs are made
//! ([`random`], [`distribution`]), then the record that every operator is ([`operator`], [`registry`]) with what its
//! results must be ([`mod@reference`], [`compare`]), the operators themselves ([`operators`]), and the machines that run
//! them ([`cpu`], [`cuda`]) behind one trait ([`session`]), and how long that takes ([`timing`]). What a call does to a
//! GPU is counted ([`mod@census`], [`cupti`]). Several ranks do things together through a [`communicator`], which offers
//! [`collective`]s on data that is known beforehand; on GPUs it is [`nccl`] that moves them. A shared library can take the place of their implementations
//! ([`subject`]). NVIDIA's optional libraries are found at run time ([`library`]).
//!
//! This crate knows nothing of YAML, processes or reports.

pub mod census;
pub mod collective;
pub mod communicator;
pub mod compare;
pub mod cpu;
pub mod cuda;
pub mod cupti;
pub mod distribution;
pub mod dtype;
mod generate;
pub mod library;
pub mod nccl;
pub mod operator;
pub mod operators;
pub mod parameters;
pub mod random;
pub mod reference;
pub mod registry;
pub mod session;
pub mod shape;
pub mod subject;
pub mod tensor;
pub mod timing;
