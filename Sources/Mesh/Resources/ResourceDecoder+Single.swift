// SPDX-License-Identifier: Apache-2.0

package import Documents

/// Reads one resource that somebody has admitted: into a set of at most one, with what there is to say about it. What only a waypoint could do is a
/// warning here, since whoever admitted it has decided about that.
package func loadResource(
    _ document: Value, name: String, options: MeshOptions = MeshOptions()
) -> (ResourceSet, [Finding]) {
    var decoder = ResourceDecoder(options: options, purpose: .translate)
    decoder.read(document, file: name)
    return (decoder.set, decoder.findings)
}
