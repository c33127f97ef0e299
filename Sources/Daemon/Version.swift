// SPDX-License-Identifier: Apache-2.0

/// The version of every program of this repository; the same as the first heading of CHANGELOG.md.
package let warrenVersion = "0.1.0"
