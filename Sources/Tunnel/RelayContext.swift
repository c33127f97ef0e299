// SPDX-License-Identifier: Apache-2.0

package import Loop

/// What all relays of one loop have in common. There are as many relays as connections, and each holds this one reference. Owned by the loop's
/// worker.
package final class RelayContext {
    package let loop: Loop
    package let bounds: TunnelBounds
    /// What streams may let their peers send ahead, and what may wait for applications.
    package let windows: WindowBudget
    /// For what goes through the kernel.
    package let pipes: PipePool

    package init(loop: Loop, bounds: TunnelBounds, windows: WindowBudget, pipes: PipePool) {
        self.loop = loop
        self.bounds = bounds
        self.windows = windows
        self.pipes = pipes
    }
}
