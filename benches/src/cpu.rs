//! How long this thread has been on a processor.

use std::time::Duration;

/// CPU time of the calling thread since its start; nothing where the system does not tell.
#[cfg(unix)]
pub(crate) fn of_this_thread() -> Option<Duration> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).ok()
}

#[cfg(not(unix))]
pub(crate) fn of_this_thread() -> Option<Duration> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn time_asleep_is_no_cpu_time() {
        // Bounded by the wall clock from above, whatever else the machine does.
        let (wall, cpu) = (std::time::Instant::now(), of_this_thread().unwrap());
        std::thread::sleep(Duration::from_millis(20));
        let cpu = of_this_thread().unwrap() - cpu;
        assert!(cpu + Duration::from_millis(10) < wall.elapsed(), "{cpu:?}");
    }

    #[test]
    fn work_is_cpu_time() {
        let before = of_this_thread().unwrap();
        while of_this_thread().unwrap() == before {
            std::hint::black_box((0..1000_u64).sum::<u64>());
        }
        assert!(of_this_thread().unwrap() > before);
    }
}
