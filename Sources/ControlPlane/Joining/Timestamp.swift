// SPDX-License-Identifier: Apache-2.0

internal import Kernel

/// A time as objects of Kubernetes hold it: RFC 3339 in UTC, whole seconds.
func timestamp(_ seconds: Int64) -> String { "\(WallTime(seconds: seconds).description.dropLast(5))Z" }
