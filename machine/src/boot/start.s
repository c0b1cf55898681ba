# From the loader to Rust. PVH (the Xen x86/HVM direct boot ABI) enters here in 32-bit
# protected mode, paging off, %ebx holding the physical address of the start information.
#
# The boot tables map the first 4 GiB twice, at 0 and at DIRECT, and the kernel's GiB at
# KERNEL_BASE: enough until Rust has built the real ones.

.set EFER, 0xc0000080
.set EFER_LME_NXE, 0x900
.set CR4_PAE, 0x20
.set CR0_PE_WP_PG, 0x80010001
.set AP_BASE, 0x8000
.set DIRECT, 0xffff800000000000
.set STACK_AREA, 0xffffa00000000000
.set STACK_STRIDE_LOG, 17

.section .boot.bss, "aw", @nobits
.balign 4096
.global boot_pml4
boot_pml4: .skip 4096
boot_low: .skip 4096
boot_high: .skip 4096
boot_directories: .skip 16384
boot_stack: .skip 65536
boot_stack_top:

.section .boot.text, "ax"
.code32
.global pvh_start
pvh_start:
    cli
    cld
    movl $boot_stack_top, %esp

    # 2048 large pages: the first 4 GiB.
    movl $boot_directories, %edi
    movl $0x83, %eax
    movl $2048, %ecx
1:  movl %eax, (%edi)
    movl $0, 4(%edi)
    addl $0x200000, %eax
    addl $8, %edi
    loop 1b

    movl $boot_directories + 3, %eax
    movl %eax, boot_low
    addl $4096, %eax
    movl %eax, boot_low + 8
    addl $4096, %eax
    movl %eax, boot_low + 16
    addl $4096, %eax
    movl %eax, boot_low + 24
    movl $boot_directories + 3, %eax
    movl %eax, boot_high + 510 * 8
    movl $boot_low + 3, %eax
    movl %eax, boot_pml4
    movl %eax, boot_pml4 + 256 * 8
    movl $boot_high + 3, %eax
    movl %eax, boot_pml4 + 511 * 8

    lgdtl boot_gdt_pointer
    call enter_long_mode_tables
    ljmp $0x18, $boot_long

# Turns on paging with the boot tables; the caller then jumps to a 64-bit segment.
enter_long_mode_tables:
    movl %cr4, %eax
    orl $CR4_PAE, %eax
    movl %eax, %cr4
    movl $boot_pml4, %eax
    movl %eax, %cr3
    movl $EFER, %ecx
    rdmsr
    orl $EFER_LME_NXE, %eax
    wrmsr
    movl $CR0_PE_WP_PG, %eax
    movl %eax, %cr0
    ret

.code64
boot_long:
    movw $0x10, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    xorl %eax, %eax
    movw %ax, %fs
    movw %ax, %gs
    movl %ebx, %edi
    # The stack by its address in the map of all memory, which stays when the tables change.
    movl $boot_stack_top, %esp
    movabsq $DIRECT, %rcx
    addq %rcx, %rsp
    xorl %ebp, %ebp
    movabsq $boot_first, %rax
    jmpq *%rax

# Another core starts in real mode at AP_BASE, to where the following is copied.
.code16
.global ap_image
ap_image:
    cli
    cld
    xorw %ax, %ax
    movw %ax, %ds
    lgdtl AP_BASE + ap_gdt_pointer - ap_image
    movl %cr0, %eax
    orl $1, %eax
    movl %eax, %cr0
    ljmpl $0x08, $(AP_BASE + ap_protected - ap_image)
ap_gdt_pointer:
    .word boot_gdt_end - boot_gdt - 1
    .long boot_gdt
.code32
ap_protected:
    movw $0x10, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movl $(AP_BASE + 0xff0), %esp
    movl $enter_long_mode_tables, %eax
    call *%eax
    ljmp $0x18, $(AP_BASE + ap_long - ap_image)
.code64
ap_long:
    xorl %eax, %eax
    movw %ax, %fs
    movw %ax, %gs
    movabsq $ap_high, %rax
    jmpq *%rax
.global ap_image_end
ap_image_end:

.section .boot.data, "aw"
.balign 8
boot_gdt:
    .quad 0
    .quad 0x00cf9b000000ffff    # 0x08: 32-bit code
    .quad 0x00cf93000000ffff    # 0x10: data
    .quad 0x00af9b000000ffff    # 0x18: 64-bit code
boot_gdt_end:
boot_gdt_pointer:
    .word boot_gdt_end - boot_gdt - 1
    .long boot_gdt

.section .text
.code64
# In the high half at last. Every core takes the next stack; the tables that map stacks are
# the real ones.
.global ap_high
ap_high:
    movq kernel_root(%rip), %rax
    movq %rax, %cr3
    movl $1, %edi
    lock xaddl %edi, next_stack(%rip)
    jmp take_stack

# Leaves the boot stack for the first core's own. Jumps to `core_entry(slot)`.
.global first_core
first_core:
    xorl %edi, %edi
take_stack:
    movl %edi, %eax
    incq %rax
    shlq $STACK_STRIDE_LOG, %rax
    movabsq $STACK_AREA, %rcx
    addq %rcx, %rax
    movq %rax, %rsp
    xorl %ebp, %ebp
    pushq $0
    jmp core_entry
