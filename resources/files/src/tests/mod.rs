//! Tests, a file each topic.
