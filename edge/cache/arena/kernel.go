//go:build linux

package arena

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	weir "github.com/weirstream/weir"
)

// memoryFile makes the file: sealed against execution where the kernel knows that (6.3), since some refuse it otherwise.
func memoryFile() (int, error) {
	file, err := unix.MemfdCreate("weir-arena", unix.MFD_CLOEXEC|unix.MFD_NOEXEC_SEAL)
	if err == unix.EINVAL {
		file, err = unix.MemfdCreate("weir-arena", unix.MFD_CLOEXEC)
	}
	if err != nil {
		return -1, weir.Errorf(weir.Unavailable, "make a memory file (memfd_create): %w", err)
	}
	return file, nil
}

const settings = "/sys/kernel/mm/transparent_hugepage/"

// pageSizes are the processor's page and the kernel's huge page, 0 if it has none, in bytes.
func pageSizes() (small, huge int64) {
	text, err := os.ReadFile(settings + "hpage_pmd_size")
	if err == nil {
		huge, _ = strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	}
	return int64(os.Getpagesize()), huge
}

// HugePage is the size of the kernel's huge pages in bytes, 0 if it has none; whether it gives any is another question.
func HugePage() int64 {
	_, huge := pageSizes()
	return huge
}

// mapped maps size bytes of file at a multiple of align, without which the kernel gives no huge pages.
func mapped(file int, off, size, align int64, advice int) ([]byte, error) {
	space, err := unix.MmapPtr(-1, 0, nil, uintptr(size+align), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return nil, weir.Errorf(weir.Unavailable, "find room for a mapping: %w", err)
	}
	lead := (align - int64(uintptr(space))%align) % align
	start := unsafe.Add(space, lead)
	_, err = unix.MmapPtr(file, off, start, uintptr(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_FIXED)
	if err != nil {
		return nil, errors.Join(weir.Errorf(weir.Unavailable, "map the memory file: %w", err), unix.MunmapPtr(space, uintptr(size+align)))
	}
	if lead > 0 {
		err = unix.MunmapPtr(space, uintptr(lead))
	}
	if lead < align {
		err = errors.Join(err, unix.MunmapPtr(unsafe.Add(start, size), uintptr(align-lead)))
	}
	if err != nil {
		return nil, weir.Errorf(weir.Unavailable, "trim a mapping: %w", err)
	}
	data := unsafe.Slice((*byte)(start), size)
	if err := unix.Madvise(data, advice); err != nil && err != unix.EINVAL { // a kernel without huge pages has no such advice
		return nil, errors.Join(weir.Errorf(weir.Unavailable, "advise on a mapping: %w", err), unix.MunmapPtr(start, uintptr(size)))
	}
	return data, nil
}

// given is how many bytes the kernel takes for one byte written to a mapping of size with the advice, 0 if it cannot be
// tried. This is the only way to know: settings, the mount and the memory left have all a say.
func given(size int64, advice int) int64 {
	file, err := memoryFile()
	if err != nil {
		return 0
	}
	defer unix.Close(file)
	if unix.Ftruncate(file, size) != nil {
		return 0
	}
	data, err := mapped(file, 0, size, size, advice)
	if err != nil {
		return 0
	}
	defer unix.MunmapPtr(unsafe.Pointer(unsafe.SliceData(data)), uintptr(size))
	data[0] = 1
	var st unix.Stat_t
	if unix.Fstat(file, &st) != nil {
		return 0
	}
	return st.Blocks * 512
}

// HugePages says what the kernel offers the memory tier, and what the operator could do; advice is "" if it is at its best.
func HugePages() (state, advice string) {
	small, huge := pageSizes()
	if huge <= small {
		return "none: this kernel has no transparent huge pages", "use a kernel with CONFIG_TRANSPARENT_HUGEPAGE"
	}
	setting := "unknown"
	text, err := os.ReadFile(settings + "shmem_enabled")
	if err == nil {
		_, rest, _ := strings.Cut(string(text), "[")
		setting, _, _ = strings.Cut(rest, "]")
	}
	if given(huge, unix.MADV_HUGEPAGE) == huge {
		return "in use: pages of " + strconv.FormatInt(huge>>10, 10) + " KiB (shmem_enabled=" + setting + ")", ""
	}
	if setting == "advise" || setting == "always" || setting == "within_size" {
		return "allowed, but none was given (shmem_enabled=" + setting + ")", "memory is short or in pieces: try echo 1 > /proc/sys/vm/compact_memory"
	}
	return "off (shmem_enabled=" + setting + ")", "echo advise > " + settings + "shmem_enabled"
}
