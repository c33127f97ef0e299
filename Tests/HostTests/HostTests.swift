// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

/// Whole programs in real network namespaces. All suites hang below this one, because `.serialized` holds within a suite only: the
/// tests share two cores, and each blocks its thread while it waits for programs.
@Suite(.serialized)
enum HostTests {}
