//! The serial console: the first UART of a PC, polled for output.

use core::fmt;

use uart_16550::backend::PioBackend;
use uart_16550::{Config, Uart16550};

use crate::statics;

const COM1: u16 = 0x3f8;

/// The console's device, once it was found.
pub(crate) struct Console(Option<Uart16550<PioBackend>>);

impl Console {
    pub const fn none() -> Self {
        Self(None)
    }

    /// Finds and sets up the device. Without one the console is silent.
    pub fn open(&mut self) {
        // SAFETY: these ports are the first UART's on every PC, and nobody else uses them.
        let uart = unsafe { Uart16550::new_port(COM1) };
        let Ok(mut uart) = uart else { return };
        if uart.init(Config::default()).is_ok() {
            self.0 = Some(uart);
        }
    }

    pub fn write(&mut self, bytes: &[u8]) {
        if let Some(uart) = &mut self.0 {
            uart.send_bytes_exact(bytes);
        }
    }

    /// Lets the device interrupt when bytes have come.
    pub fn listen(&mut self) {
        if let Some(uart) = &mut self.0 {
            uart.enable_interrupts(uart_16550::spec::registers::IER::DATA_READY);
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> usize {
        self.0.as_mut().map_or(0, |uart| uart.receive_bytes(buffer))
    }
}

impl fmt::Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for line in text.split_inclusive('\n') {
            match line.strip_suffix('\n') {
                Some(line) => {
                    self.write(line.as_bytes());
                    self.write(b"\r\n");
                }
                None => self.write(line.as_bytes()),
            }
        }
        Ok(())
    }
}

/// Writes bytes to the console as they are.
pub fn console_write(bytes: &[u8]) {
    statics::CONSOLE.lock().write(bytes);
}

/// Takes what has arrived at the console; returns how many bytes that was.
pub fn console_read(buffer: &mut [u8]) -> usize {
    statics::CONSOLE.lock().read(buffer)
}
