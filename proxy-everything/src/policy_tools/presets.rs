//! `policy presets`: what there is, and what it says.

use super::FAULTY;

pub(super) fn run(name: Option<&str>) -> u8 {
    let Some(name) = name else {
        for preset in policy::presets() {
            let about = preset.text.lines().next().unwrap_or_default().trim_start_matches("# ");
            println!("{:<12}{about}", preset.name);
        }
        return 0;
    };
    match policy::presets().iter().find(|preset| preset.name == name) {
        Some(preset) => {
            print!("{}", preset.text);
            0
        }
        None => {
            eprintln!("there is no preset `{name}`");
            FAULTY
        }
    }
}
