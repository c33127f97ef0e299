// SPDX-License-Identifier: Apache-2.0

internal import Daemon
internal import Kernel

/// The process that is systemd's main process of the unit for the moment between `warrend upgrade` and the restart that it asks for: it does nothing,
/// so that systemd can end it, and what it ended by that isn't the daemon which serves.
///
/// It is made by a child that ends at once, so that it comes to be systemd's own child, whose end systemd is told.
enum StandIn {
    static let argument = "internal-stand-in"
    private static let stay = "stay"
    private static let patience = Interval.seconds(5)

    /// The number of a new stand-in. Blocking, for milliseconds; run as an errand.
    static func start() -> Result<CInt, HandoverFailure> {
        do throws(Errno) {
            let pipe = try BlockingPipe()
            var child = try ChildProcess("/proc/self/exe", [argument], descriptors: [(pipe.writeEnd.number, 1)])
            guard let end = try child.wait(atMost: patience) else {
                return .failure(HandoverFailure("the child that makes a stand-in doesn't end"))
            }
            try pipe.readEnd.setNonBlocking()
            var buffer = [UInt8](repeating: 0, count: 32)
            guard end == .exited(0), case .moved(let count) = try pipe.readEnd.read(into: &buffer),
                let process = CInt(String(decoding: buffer.prefix(count).prefix { $0 != 0x0a }, as: UTF8.self)), process > 0
            else { return .failure(HandoverFailure("no stand-in could be made: its maker ended with \(end)")) }
            return .success(process)
        } catch { return .failure(HandoverFailure("no stand-in could be made: \(error)")) }
    }

    /// What the child does, and what the stand-in does.
    static func run(_ arguments: [String]) -> CInt {
        guard arguments.first == stay else {
            do throws(Errno) {
                let standIn = try ChildProcess("/proc/self/exe", [argument, stay], descriptors: [])
                StandardStream.output.write("\(standIn.abandon())\n")
                return 0
            } catch { return 71 }
        }
        // Until a signal ends it. systemd misses the watchdog's signs of life before long, should nobody restart the unit.
        while true { Thread.sleep(.hours(1)) }
    }
}
