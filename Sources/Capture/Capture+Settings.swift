// SPDX-License-Identifier: Apache-2.0

internal import Kernel

/// The kernel's settings: recorded before they are changed, put back as they were.
extension Capture {
    /// Records what each setting was, unless that is known, and sets it.
    func settle(_ namespace: borrowing NetworkNamespace, _ record: inout CaptureRecord) throws(CaptureFailure) {
        try look(namespace, &record)
        try record.write(in: stateDirectory)
        let known = record.settings
        try entered(namespace) { () throws(CaptureFailure) in
            for setting in KernelSetting.needed where known[setting.name] != nil { try setting.set(setting.value) }
        }
        try routing(namespace) { route throws(CaptureFailure) in try route.ensureLoopback(up: true) }
    }

    private func look(_ namespace: borrowing NetworkNamespace, _ record: inout CaptureRecord) throws(CaptureFailure) {
        var seen = record
        try entered(namespace) { () throws(CaptureFailure) in
            for setting in KernelSetting.needed where seen.settings[setting.name] == nil {
                seen.settings[setting.name] = try setting.current()
            }
        }
        if seen.loopbackWasUp == nil {
            try routing(namespace) { route throws(CaptureFailure) in seen.loopbackWasUp = try route.loopbackState() }
        }
        record = seen
    }

    /// True if there was anything to put back.
    func putBack(_ namespace: borrowing NetworkNamespace, _ record: CaptureRecord) throws(CaptureFailure) -> Bool {
        try entered(namespace) { () throws(CaptureFailure) in
            for setting in KernelSetting.needed {
                if let value = record.settings[setting.name] { try setting.set(value) }
            }
        }
        if record.loopbackWasUp == false {
            try routing(namespace) { route throws(CaptureFailure) in try route.ensureLoopback(up: false) }
        }
        return !record.settings.isEmpty
    }
}
