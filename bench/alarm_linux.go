package bench

import (
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// alarm is a timer of the kernel, which wakes Go's poller when it is due. Go's
// own timers sleep for whole milliseconds when nothing else is to be done.
type alarm struct {
	fd   int
	file *os.File
}

var alarms = sync.Pool{New: func() any {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return (*alarm)(nil)
	}
	return &alarm{fd, os.NewFile(uintptr(fd), "alarm")}
}}

// sleepExactly sleeps for a short while, to some 50 microseconds. It returns
// false if it did not.
func sleepExactly(d time.Duration) bool {
	a := alarms.Get().(*alarm)
	if a == nil {
		return false
	}
	defer alarms.Put(a)
	if err := unix.TimerfdSettime(a.fd, 0, &unix.ItimerSpec{Value: unix.NsecToTimespec(int64(d))}, nil); err != nil {
		return false
	}
	var times [8]byte
	_, err := a.file.Read(times[:])
	return err == nil
}
