/* What this library says of itself. */
#include "robocache_subject.h"

RC_SUBJECT(RC_DEVICE_CPU, "c_subject", "1.0");
