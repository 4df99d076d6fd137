//! Shared harness of the test suites.
