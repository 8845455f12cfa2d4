//! What the environment must say to NCCL, which reads it once and tells nobody.

use std::{env, ffi::OsString};

use super::NcclError;

/// Refuses an environment in which results would differ from call to call, or calls would wait without a deadline.
///
/// The variables cannot be set from here: other threads may read the environment meanwhile, and NCCL may have.
pub(super) fn check() -> Result<(), NcclError> {
    check_with(|variable| env::var_os(variable))
}

fn check_with(read: impl Fn(&str) -> Option<OsString>) -> Result<(), NcclError> {
    let refused = |variable, needed, found: Option<&OsString>, reason| NcclError::Environment {
        variable,
        needed,
        found: found.map(|found| found.to_string_lossy().into_owned()),
        reason,
    };
    let nvls = read("NCCL_NVLS_ENABLE");
    if nvls.as_ref().is_none_or(|value| value != "0") {
        let reason = "with NVLS the bits of a reduction differ from call to call";
        return Err(refused("NCCL_NVLS_ENABLE", "0", nvls.as_ref(), reason));
    }
    let blocking = read("NCCL_COMM_BLOCKING");
    if blocking.as_ref().is_some_and(|value| value != "0") {
        let reason = "a blocking communicator waits for a lost rank for ever";
        return Err(refused("NCCL_COMM_BLOCKING", "0 or not set", blocking.as_ref(), reason));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_those(variables: &[(&str, &str)]) -> Result<(), NcclError> {
        check_with(|asked| variables.iter().find(|(name, _)| *name == asked).map(|(_, value)| value.into()))
    }

    #[test]
    fn nvls_must_be_off_and_said_to_be() {
        assert_eq!(check_those(&[("NCCL_NVLS_ENABLE", "0")]), Ok(()));
        assert_eq!(
            check_those(&[]).unwrap_err().to_string(),
            "NCCL_NVLS_ENABLE is not set, but must be 0 from the start of the process: with NVLS the bits of a reduction \
             differ from call to call"
        );
        for value in ["1", "2", ""] {
            let error = check_those(&[("NCCL_NVLS_ENABLE", value)]).unwrap_err();
            assert!(matches!(&error, NcclError::Environment { found: Some(found), .. } if found == value), "{error}");
        }
    }

    #[test]
    fn communicators_must_not_be_made_blocking() {
        let off = ("NCCL_NVLS_ENABLE", "0");
        assert_eq!(check_those(&[off, ("NCCL_COMM_BLOCKING", "0")]), Ok(()));
        let error = check_those(&[off, ("NCCL_COMM_BLOCKING", "1")]).unwrap_err();
        assert!(matches!(error, NcclError::Environment { variable: "NCCL_COMM_BLOCKING", .. }), "{error}");
    }
}
