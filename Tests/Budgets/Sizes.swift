// SPDX-License-Identifier: Apache-2.0

import Bytes
import Kernel
import Loop
import Tunnel

#if DEBUG
    @testable import HTTP
    @testable import NodeProxy
#endif

/// How large the types are of which there is one per connection or per tunnel, or which are copied on the way of each event. What they hold by
/// reference isn't in it. The size is the compiler's, whatever the optimisation.
enum Sizes {
    static func measure() -> [Measure] {
        var sizes: [(String, Int)] = [
            ("TunnelConnection", instance(TunnelConnection.self)),
            ("StreamRelay", instance(StreamRelay.self)),
            ("SocketRelay", instance(SocketRelay.self)),
            ("ByteQueue", MemoryLayout<ByteQueue>.size),
            ("SocketAddress", MemoryLayout<SocketAddress>.size),
            ("Token", MemoryLayout<Token>.size),
            ("ConnectionFailure", MemoryLayout<ConnectionFailure?>.size),
        ]
        // Types that only their module knows, which a release build of this program can't see.
        #if DEBUG
            sizes += [
                ("HTTP2StreamRecord", MemoryLayout<HTTP2StreamRecord>.size),
                ("OutboundConnection", instance(OutboundConnection.self)),
                ("InboundStream", instance(InboundStream.self)),
                ("InboundTunnel", instance(InboundTunnel.self)),
                ("Record", MemoryLayout<Record>.size),
            ]
        #endif
        return sizes.map { Measure(metric: "size.\($0.0)", value: Double($0.1)) }
    }

    /// The bytes of an object of a class. They stand in the class's metadata, behind kind, superclass, flags and address point, when there is no
    /// Objective-C.
    private static func instance(_ type: AnyClass) -> Int {
        let metadata = unsafe unsafeBitCast(type, to: UnsafeRawPointer.self)
        return unsafe Int(metadata.load(fromByteOffset: 24, as: UInt32.self))
    }
}
