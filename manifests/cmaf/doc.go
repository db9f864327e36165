// Package cmaf turns what an encoder wrote (fragmented MP4 of one track) into CMAF segments on the asset's grid: ISO/IEC
// 23000-19 on top of ISO/IEC 14496-12. It reads streams, never whole files, bounds every size it is told, and checks
// every timestamp: what it emits is exactly what the plan promised or an error says what differs. It does not encode,
// decode or look inside pictures.
package cmaf
