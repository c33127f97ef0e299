// SPDX-License-Identifier: Apache-2.0

package import Kernel

/// Upgrades: one daemon hands over to the next and finishes what it has. The reason of each default stands in the table below.
package struct HandoverSettings: Sendable {
    package var drain: Interval?
    package var timeout = Interval.seconds(60)
    package var generations = 4

    static let settings: [Setting] = [
        .optionalDuration(
            "handover.drain", \.handover.drain, .zero ... .hours(24 * 365),
            "How long a daemon that handed over may take to finish its connections before they are reset.",
            because: "An upgrade cuts nothing (I24); an operator who wants an end sets one."),
        .duration(
            "handover.timeout", \.handover.timeout, .seconds(1) ... .minutes(10),
            "How long the next daemon may take to be ready; then it is ended, and the one before it serves on.",
            because: "Half a second is usual; a first certificate from a slow control plane takes half a minute."),
        .integer(
            "handover.generations", \.handover.generations, 1...64,
            "How many daemons may be finishing their connections; beyond that the oldest is told to end within `timeouts.drain`.",
            because: "Each has its memory and its connection to the control plane; who upgrades daily keeps connections for days."
        ),
    ]
}
