// SPDX-License-Identifier: Apache-2.0

/// Where libFuzzer enters: it calls these two C functions by name. The program is linked once and run under the name of each target
/// (`fuzz-JSON`), by which it knows what to fuzz.
@c(LLVMFuzzerInitialize)
package func fuzzerInitialize(
    _ count: UnsafeMutablePointer<CInt>?, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?>?
) -> CInt {
    guard let first = unsafe arguments?.pointee?.pointee else { return 0 }
    let path = unsafe String(cString: first)
    let name = path.split(separator: "/").last?.split(separator: "-").last ?? ""
    unsafe FuzzEntry.target = FuzzTarget.named(String(name))
    return 0
}

@c(LLVMFuzzerTestOneInput)
package func fuzzerTestOneInput(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let target = unsafe FuzzEntry.target else { fatalError("no target of this name: see FuzzTarget.all") }
    unsafe target.fuzz(UnsafeRawBufferPointer(start: bytes, count: count))
    return 0
}

/// What this process fuzzes. Written once by libFuzzer's one thread, before the first input.
enum FuzzEntry {
    nonisolated(unsafe) static var target: FuzzTarget?
}
