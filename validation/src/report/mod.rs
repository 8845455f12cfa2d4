//! Reports: records in, bytes out. None of them sees a device, and none of them judges.
