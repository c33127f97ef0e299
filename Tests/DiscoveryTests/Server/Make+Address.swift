// SPDX-License-Identifier: Apache-2.0

import Bytes

/// Text to an address, as short as test data wants it.
func ipAddress(_ text: String) -> IPAddress? { text.isEmpty ? nil : IPAddress(text) }
