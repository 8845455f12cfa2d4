//! Operators of RoboCache.
